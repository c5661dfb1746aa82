// Records that belong to a span of a trace, for the schemas that have members for it.
#ifndef SLUICE_TESTS_RECORD_TRACED_H_
#define SLUICE_TESTS_RECORD_TRACED_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "record/render.h"

namespace sluice::test {

inline const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736", kSpan = "00f067aa0ba902b7";

// Ids of a trace and a span of which one has not the form.
inline const std::vector<std::pair<std::string, std::string>> kNoTraces = {
    {kTrace, std::string(16, '0')},
    {std::string(32, '0'), kSpan},
    {kTrace + "a", kSpan},
    {"4BF92F3577B34DA6A3CE929D0E0E4736", kSpan},
    {kTrace, "\"}]"}};

// One line of a record whose context has these texts.
template <class Lines>
std::string line_with(const std::vector<std::pair<std::string, std::string>>& context) {
  TestRecord record("hit");
  std::byte memory[512];
  FieldBlockWriter block(memory);
  for (const auto& [name, text] : context) EXPECT_TRUE(block.add_text(name, text));
  record.add_context(block.bytes());
  Lines lines;
  return line_of(lines, record);
}

// Of a scope within another one.
template <class Lines>
std::string line_of_inner_scope() {
  return line_with<Lines>({{"trace_id", std::string(32, 'a')},
                           {"span_id", std::string(16, 'b')},
                           {"trace_flags", "00"},
                           {"trace_id", kTrace},
                           {"span_id", kSpan},
                           {"trace_flags", "01"}});
}

// What is no trace is part of the context, and `member` is not there.
template <class Lines>
void expect_no_trace(const std::string& member) {
  for (const auto& [trace, span] : kNoTraces) {
    const std::string line = line_with<Lines>({{"trace_id", trace}, {"span_id", span}});
    EXPECT_EQ(line.find(member), std::string::npos) << line;
    EXPECT_NE(line.find(trace), std::string::npos) << line;
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_RECORD_TRACED_H_
