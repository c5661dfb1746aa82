// emulator: no (random records by the ten thousand, which take minutes there)
//
// Whatever a record holds, every rendering of it is one whole, printable line, and JSON is JSON.
// Contents are drawn from what has broken log readers before; sites and fields are random.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "record/filter.h"
#include "record/redact.h"
#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

const std::string kPieces[] = {"\n",
                               "\r\n",
                               "\t",
                               std::string(1, '\0'),
                               "\x1b[2J",
                               "\x07",
                               "\x7f",
                               "\xc2\x9b",
                               "\xe2\x80\xae",
                               "\xe2\x80\xa8",
                               "\xff",
                               "\xc3",
                               "\xed\xa0\x80",
                               "\xf0\x9f\x9a\x80",
                               "\"",
                               "\\",
                               "\\u0000",
                               "{",
                               "}",
                               "{}",
                               "{:d}",
                               "{0:>{1}}",
                               "{:999999999}",
                               "%(x)",
                               "=",
                               " ",
                               "a",
                               "plain text",
                               "'",
                               "{\"token\":\"x\"}",
                               "[[1,",
                               "NaN",
                               "password",
                               "null",
                               "1e999"};

class Hostile {
 public:
  explicit Hostile(u64 seed) : random_(seed) {}

  std::string text() {
    std::string out;
    for (auto n = random_() % 6; n > 0; --n) out += kPieces[random_() % std::size(kPieces)];
    return out;
  }

  TestRecord record() {
    std::vector<TestArgument> arguments;
    u8 flags = 0;
    if (random_() % 4 == 0) {
      flags |= SiteFlag::kLoggerIsFirstArg;
      arguments.push_back(arg(ArgType::kU32, 1));
    }
    if (random_() % 4 == 0) {
      flags |= SiteFlag::kNameIsFirstArg;
      arguments.push_back(text_arg(text()));
    }
    if (random_() % 4 == 0) {
      flags |= SiteFlag::kUnitIsNextArg;
      arguments.push_back(text_arg(text()));
    }
    for (auto n = random_() % 6; n > 0; --n) {
      arguments.push_back({ArgType(1 + random_() % 14), random_() % 2 ? text() : "",
                           random_() >> (random_() % 64), text()});
    }
    if (random_() % 4 == 0) {
      flags |= SiteFlag::kFieldsAreLastArg;
      arguments.push_back(json_arg(text()));
    }
    TestRecord made(text() + text(), arguments, RecordKind(1 + random_() % 8), flags);
    made.site.logger = text();
    made.site.file = text();
    made.site.function = text();
    made.site.unit = text();
    made.site.metric = MetricKind(random_() % 5);
    made.logger = text();
    made.thread_name = text();
    made.run.run_id = text();
    made.wall_ns = i64(random_());
    if (random_() % 2) {
      std::byte memory[1024];
      FieldBlockWriter fields(memory);
      for (auto n = random_() % 5; n > 0; --n) {
        const Value value{ArgType(1 + random_() % 14), random_(), {}};
        const std::string bytes = text();
        (void)fields.add(text(), has_tail(value.type) ? Value{value.type, 0, bytes} : value);
      }
      made.add_context(fields.bytes());
    }
    made.set_header(u16(random_() % 4 << 12));
    return made;
  }

 private:
  std::mt19937_64 random_;
};

// nlohmann keeps the last of two equal keys; this finds them.
bool repeats_a_key(const std::string& line) {
  std::vector<std::set<std::string>> open;
  bool repeated = false;
  // Keys of JSON arguments are the caller's; only our own levels count.
  const auto callback = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::key && open.size() == 1) {
      repeated = repeated || !open.back().insert(parsed.get<std::string>()).second;
    }
    if (event == Event::object_end) open.pop_back();
    return true;
  };
  return nlohmann::json::parse(line, callback, false).is_discarded() || repeated;
}

TEST(Hostile, EveryFormStaysOneSafeLine) {
  Hostile hostile(23);
  for (int round = 0; round < 20'000; ++round) {
    TestRecord record = hostile.record();
    const std::string text =
        text_line(record,
                  "%(time) %(level:<8) [%(thread_name)] %(source) %(path) %(function) %(logger) "
                  "%(run_id:>10) %(message)");
    ASSERT_EQ(unsafe(text), "") << text;
    const std::string logfmt = logfmt_line(record);
    ASSERT_EQ(unsafe(logfmt), "") << logfmt;
    const std::string json = json_line(record);
    ASSERT_EQ(unsafe(json), "") << json;
    ASSERT_TRUE(nlohmann::json::accept(json)) << json;
    ASSERT_TRUE(is_json(std::string_view(json).substr(0, json.size() - 1))) << json;
    ASSERT_FALSE(repeats_a_key(json)) << json;
  }
}

TEST(Hostile, TheCheckersSeeWhatTheyLookFor) {
  EXPECT_NE(unsafe("no newline"), "");
  EXPECT_NE(unsafe("a\nb\n"), "");
  EXPECT_NE(unsafe("a\x1b[0m\n"), "");
  EXPECT_NE(unsafe("a\xff\n"), "");
  EXPECT_NE(unsafe("a\xc2\x85\n"), "");
  EXPECT_NE(unsafe("a\xe2\x80\xae\n"), "");
  EXPECT_EQ(unsafe("gr\xc3\xbc\xc3\x9f\n"), "");
  EXPECT_TRUE(repeats_a_key(R"({"a":1,"a":2})"));
  EXPECT_FALSE(repeats_a_key(R"({"a":1,"b":{"a":2}})"));
}

TEST(Hostile, RedactedRecordsStillParseAndSecretsAreGone) {
  Hostile hostile(29);
  Redactor redactor("plain");
  for (int round = 0; round < 10'000; ++round) {
    TestRecord record = hostile.record();
    redactor.forget_sites();
    const std::size_t size = record.bytes.size();
    record.bytes.resize(redacted_bytes_max(size));
    const std::size_t written = redactor.redact(record.bytes, record.site);
    ASSERT_GE(written, kRecordHeaderBytes);
    record.bytes.resize(written);
    ASSERT_TRUE(record.parse()) << round;
    for (u32 i = record.view.first_visible(); i < record.view.arguments(); ++i) {
      if (!redactor.is_secret(record.site.arguments[i].name)) continue;
      const Value value = record.view.value(i);
      if (has_tail(value.type)) {
        ASSERT_NE(value.text.find("[redacted]"), std::string_view::npos);
      } else if (value.type != ArgType::kChar) {
        ASSERT_EQ(value.word, 0u);
      }
    }
    ASSERT_TRUE(nlohmann::json::accept(json_line(record)));
  }
}

TEST(Hostile, FiltersTakeAnything) {
  Hostile hostile(31);
  MessageText message;
  for (int round = 0; round < 5'000; ++round) {
    TestRecord record = hostile.record();
    ASSERT_TRUE(record.parse());
    message.forget_sites();
    Filter filter;
    filter.logger = hostile.text() + "*";
    filter.grep = hostile.text();
    filter.fields = {{hostile.text(), hostile.text()}};
    (void)filter.matches(record.entry(), message.of(record.entry()));
    (void)parse_time(hostile.text(), 0);
    (void)TextPattern::compile(hostile.text());
  }
}

}  // namespace
}  // namespace sluice
