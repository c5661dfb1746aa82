// How a record becomes one line: the strategy of the file and console sinks.
//
// Threading: single-owner (renderers cache per site).
#ifndef SLUICE_SRC_SINK_LINE_FORMAT_H_
#define SLUICE_SRC_SINK_LINE_FORMAT_H_

#include <memory>
#include <string>

#include "base/status.h"
#include "record/entry.h"
#include "record/text_buffer.h"
#include "sluice/options.h"

namespace sluice::sink {

class LineFormat {
 public:
  virtual ~LineFormat() = default;
  // Appends one line. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] virtual bool append(const Entry& entry, TextBuffer& out) = 0;
};

// `pattern` empty: the default one. The error says what is wrong with it, where, and how to mend
// it.
[[nodiscard]] Result<std::unique_ptr<LineFormat>> make_text_format(const std::string& pattern,
                                                                   bool color);
[[nodiscard]] std::unique_ptr<LineFormat> make_json_format(JsonSchema schema);
[[nodiscard]] std::unique_ptr<LineFormat> make_logfmt_format();
// Messages: without a newline of their own behind them.
[[nodiscard]] std::unique_ptr<LineFormat> make_syslog_format(u8 facility);
[[nodiscard]] std::unique_ptr<LineFormat> make_journal_format(u8 facility);

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_LINE_FORMAT_H_
