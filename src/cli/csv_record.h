// Records of CSV (RFC 4180, https://www.rfc-editor.org/rfc/rfc4180): where one ends, and its
// fields.
//
// A quote begins a quoted field only where a field begins; in it line breaks are text and "" is a
// quote. Lines may end in LF alone. Threading: single-owner. Bytes are untrusted.
#ifndef SLUICE_SRC_CLI_CSV_RECORD_H_
#define SLUICE_SRC_CLI_CSV_RECORD_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::cli {

// Finds the ends of records in a text that comes in pieces.
class CsvEnds {
 public:
  // The place of the newline that ends the record, all before `from` having been seen; npos: not in
  // this text.
  [[nodiscard]] std::size_t find(std::string_view text, std::size_t from);
  // Within quotes, which are still to be closed.
  [[nodiscard]] bool in_quotes() const { return state_ == State::kQuoted; }
  void reset() { state_ = State::kFieldBegins; }

 private:
  enum class State : u8 { kFieldBegins, kPlain, kQuoted, kQuoteInQuoted };
  State state_ = State::kFieldBegins;
};

struct CsvField {
  std::string text;
  bool quoted = false;
  // Nothing between two commas, not even "": NULL in an export.
  [[nodiscard]] bool is_null() const { return text.empty() && !quoted; }
};

// Of one record without its line end. kFatal: it is no CSV.
[[nodiscard]] Result<std::vector<CsvField>> csv_fields(std::string_view record);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_CSV_RECORD_H_
