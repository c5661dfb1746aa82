// Renders one test record in every form, and says what is unsafe in a line.
#ifndef SLUICE_TESTS_RECORD_RENDER_H_
#define SLUICE_TESTS_RECORD_RENDER_H_

#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "record/escape.h"
#include "record/json_lines.h"
#include "record/json_text.h"
#include "record/logfmt.h"
#include "record/make_record.h"
#include "record/message.h"
#include "record/text_pattern.h"

namespace sluice::test {

template <class Renderer>
std::string line_of(Renderer& renderer, TestRecord& record) {
  TextBuffer out;
  if (!record.parse()) return "does not parse";
  EXPECT_TRUE(renderer.append(record.entry(), out));
  return std::string(out.text());
}

inline std::string text_line(TestRecord& record, std::string_view pattern,
                             TextPatternOptions options = {}) {
  auto compiled = TextPattern::compile(pattern, options);
  if (!compiled.ok()) return compiled.status().message();
  return line_of(compiled.value(), record);
}

inline std::string json_line(TestRecord& record, JsonLinesOptions options = {}) {
  JsonLines json(options);
  return line_of(json, record);
}

inline nlohmann::json json_of(TestRecord& record) {
  return nlohmann::json::parse(json_line(record), nullptr, false);
}

inline std::string logfmt_line(TestRecord& record) {
  Logfmt logfmt;
  return line_of(logfmt, record);
}

inline std::string message_of(TestRecord& record) {
  MessageText message;
  if (!record.parse()) return "does not parse";
  return std::string(message.of(record.entry()));
}

template <class... Arguments>
std::string message_of(std::string format, const Arguments&... arguments) {
  TestRecord record(std::move(format), {arguments...});
  return message_of(record);
}

// Empty when `line` is one whole line that may be printed anywhere; otherwise what is wrong.
inline std::string unsafe(std::string_view line) {
  if (!line.ends_with('\n')) return "no final newline";
  line.remove_suffix(1);
  for (std::size_t i = 0; i < line.size();) {
    u32 code_point = 0;
    const std::size_t length = decode_utf8(line.substr(i), code_point);
    if (length == 0) return "invalid UTF-8 at " + std::to_string(i);
    if (code_point < 0x20) return "control byte at " + std::to_string(i);
    if (is_unsafe_code_point(code_point)) return "unsafe character at " + std::to_string(i);
    i += length;
  }
  return "";
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_RECORD_RENDER_H_
