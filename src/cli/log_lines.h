// Records of a store as lines: text by a pattern, or the rows of the view `logs` as JSON or CSV.
//
// Threading: single-owner, as the connection.
#ifndef SLUICE_SRC_CLI_LOG_LINES_H_
#define SLUICE_SRC_CLI_LOG_LINES_H_

#include <memory>
#include <string>

#include "cli/rows.h"
#include "record/text_pattern.h"
#include "store/row_text.h"

namespace sluice::cli {

class LogLines {
 public:
  virtual ~LogLines() = default;
  // What stands before the first line.
  [[nodiscard]] virtual Result<std::string> head() { return std::string(); }
  // The line of this record, with its newline; empty when it is there no more. Valid until the next
  // call.
  [[nodiscard]] virtual Result<std::string_view> line(i64 id) = 0;
};

// `store` must outlive them.
[[nodiscard]] std::unique_ptr<LogLines> make_row_lines(storage::Connection& store,
                                                       const FormOptions& form);
[[nodiscard]] std::unique_ptr<LogLines> make_text_lines(storage::Connection& store,
                                                        TextPattern pattern);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LOG_LINES_H_
