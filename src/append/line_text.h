// The lines of AppendLogger: "[2026-01-02 18:55:02.123 name LEVEL] text".
//
// Threading: plain functions. Failure: none; a call that does not fit its format text shows it.
#ifndef SLUICE_SRC_APPEND_LINE_TEXT_H_
#define SLUICE_SRC_APPEND_LINE_TEXT_H_

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "record/text_buffer.h"
#include "sluice/append.h"

namespace sluice::append {

// What stands before the text, with a blank; local time.
[[nodiscard]] std::string line_head(i64 wall_ns, std::string_view name, Level level);
// The text of a call, from its values as a record. False: that is no record.
[[nodiscard]] bool put_message(const detail::ShownCall& call, ByteView record, TextBuffer& out);
// "type: text", then "caused by: type: text" for each that it is nested in, a line each.
[[nodiscard]] std::string current_exception_text();

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_LINE_TEXT_H_
