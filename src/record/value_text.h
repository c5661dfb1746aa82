// One value as text, in each of the forms that renderers need.
//
//            in a message           as a JSON value           as a logfmt value
//   bool     true                   true                      true
//   i32      -3                     -3                        -3
//   f64      0.25, nan              0.25, "NaN", "Infinity"   0.25, nan
//   string   ada lovelace           "ada lovelace"            "ada lovelace" (bare when it can be)
//   bytes    00ff                   "00ff"                    00ff
//   pointer  0x7ffe10               "0x7ffe10"                0x7ffe10
//   time     RFC 3339               "..."                     ...
//   duration 1.5ms                  0.0015 (seconds)          1.5ms
//   json     {"a":1}                {"a":1}, or a string when it is not valid JSON
//
// All of it escaped (record/escape.h). `at` and the results are places in `out`.
//
// Threading: thread-safe but for `out`. No allocation but that of `out`.
#ifndef SLUICE_SRC_RECORD_VALUE_TEXT_H_
#define SLUICE_SRC_RECORD_VALUE_TEXT_H_

#include "record/escape.h"
#include "record/number_text.h"
#include "record/value.h"

namespace sluice {

[[nodiscard]] char* put_value(TextForm form, TextBuffer& out, char* at, const Value& value);
[[nodiscard]] char* put_json_value(TextBuffer& out, char* at, const Value& value);
[[nodiscard]] char* put_logfmt_value(TextBuffer& out, char* at, const Value& value);

// Bare when it has no blank, '=', '"', '\' and nothing to escape; otherwise quoted like JSON.
[[nodiscard]] char* put_logfmt_text(TextBuffer& out, char* at, std::string_view text);
// A key: every byte that a logfmt key cannot hold becomes '_'.
[[nodiscard]] char* put_logfmt_key(TextBuffer& out, char* at, std::string_view key);
[[nodiscard]] char* put_json_string(TextBuffer& out, char* at, std::string_view text);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_VALUE_TEXT_H_
