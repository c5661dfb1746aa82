// Every text form says what the record says: parse(render(record)) == record, for random records
// with hostile texts in every place. The parsers here share no code with the renderers.
//
// SLUICE_TEST_SEED repeats a run; SLUICE_TEST_FULL=1 takes 100 times as many records.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "record/ecs_json.h"
#include "record/otel_json.h"
#include "record/render.h"
#include "record/rfc5424.h"
#include "record/syslog_text.h"

namespace sluice {
namespace {

using namespace test;
using nlohmann::json;

constexpr Level kLevels[] = {Level::trace,   Level::debug, Level::info,    Level::notice,
                             Level::warning, Level::error, Level::critical};

// One record and what a reader of it must find.
struct Said {
  std::vector<TestArgument> arguments;
  std::string text;
  json fields = json::object();
  TestRecord record{""};
};

class Generator {
 public:
  explicit Generator(u64 seed) : random_(seed) {}

  Said next() {
    Said said;
    said.text = text();
    said.arguments.push_back(text_arg(said.text));
    const u64 fields = below(5);
    for (u64 i = 0; i < fields; ++i) add_field(said, "key" + std::to_string(i));
    said.record = TestRecord("{}", said.arguments);
    said.record.site.level = kLevels[below(std::size(kLevels))];
    said.record.wall_ns = i64(random_() >> 2);
    said.record.tid = u32(random_());
    said.record.sequence = random_();
    said.record.logger = said.record.site.logger = "net" + std::to_string(below(3));
    said.record.thread_name = text();
    said.record.run = {"game", "1.2", "run-7", "box", 99};
    return said;
  }

 private:
  u64 below(u64 end) { return random_() % end; }

  // Valid UTF-8 with what each form has to escape.
  std::string text() {
    static const std::string kParts[] = {"a",
                                         "B7",
                                         " ",
                                         "\"",
                                         "\\",
                                         "]",
                                         "=",
                                         "[",
                                         "\n",
                                         "\t",
                                         "\x1b[31m",
                                         "\x7f",
                                         "{}",
                                         "%n",
                                         ",",
                                         "\\u0041",
                                         "gr\xc3\xbc\xc3\x9f",
                                         "null",
                                         "\r\n",
                                         "'",
                                         "\xe2\x80\xae",
                                         "\xf0\x9f\x8e\xb2"};
    std::string made;
    for (u64 parts = below(8); parts > 0; --parts) made += kParts[below(std::size(kParts))];
    return made;
  }

  void add_field(Said& said, const std::string& name) {
    switch (below(6)) {
      case 0: {
        const std::string value = text();
        said.arguments.push_back(text_arg(value, name));
        said.fields[name] = value;
        return;
      }
      case 1: {
        const i64 value = i64(random_());
        said.arguments.push_back(i64_arg(value, name));
        said.fields[name] = value;
        return;
      }
      case 2: {
        const u64 value = random_();
        said.arguments.push_back(u64_arg(value, name));
        said.fields[name] = value;
        return;
      }
      case 3: {
        const double value = std::ldexp(double(i64(random_())), int(below(200)) - 100);
        said.arguments.push_back(f64_arg(value, name));
        said.fields[name] = value;
        return;
      }
      case 4:
        said.arguments.push_back(bool_arg(true, name));
        said.fields[name] = true;
        return;
      default: {
        const json value = {{"list", {1, text(), nullptr, {{"deep", -0.5}}, json::array()}},
                            {text(), below(2) == 0},
                            {"none", json::object()}};
        said.arguments.push_back(json_arg(value.dump(), name));
        said.fields[name] = value;
        return;
      }
    }
  }

  std::mt19937_64 random_;
};

// Calls each(said) for many records.
template <class Each>
void for_many(Each&& each) {
  const char* const given = std::getenv("SLUICE_TEST_SEED");
  const u64 seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  SCOPED_TRACE("SLUICE_TEST_SEED=" + std::to_string(seed));
  Generator generator(seed);
  const int count = std::getenv("SLUICE_TEST_FULL") != nullptr ? 200'000 : 2'000;
  for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
    Said said = generator.next();
    each(said);
  }
}

// The text form cannot be undone, so what must be found is the text as it is shown.
std::string shown(const std::string& text) { return escaped(TextForm::kText, text); }

// The same value, from JSON, or as a text that is a number.
bool same_number(const std::string& text, const json& value) {
  const json read = json::parse(text, nullptr, false);
  return value.is_number_float() ? read.is_number() && read.get<double>() == value.get<double>()
                                 : read == value;
}

bool same(const json& read, const json& said) {
  if (said.is_number_float()) return read.is_number() && read.get<double>() == said.get<double>();
  return read == said;
}

void expect_same_fields(const json& read, const Said& said, const std::string& line) {
  ASSERT_EQ(read.size(), said.fields.size()) << line;
  for (const auto& [key, value] : said.fields.items()) {
    ASSERT_TRUE(read.contains(key)) << line;
    EXPECT_TRUE(same(read[key], value)) << key << " of " << line;
  }
}

TEST(RoundTrip, Json) {
  for_many([](Said& said) {
    const std::string line = json_line(said.record);
    const json read = json::parse(line, nullptr, false);
    ASSERT_TRUE(read.is_object()) << line;
    EXPECT_EQ(read["ts"], time_string(said.record.wall_ns));
    EXPECT_EQ(read["level"], level_name(said.record.site.level));
    EXPECT_EQ(read["logger"], said.record.logger);
    EXPECT_EQ(read["msg"], said.text);
    EXPECT_EQ(read["tid"], said.record.tid);
    EXPECT_EQ(read["seq"], said.record.sequence);
    EXPECT_EQ(read.value("thread", ""), said.record.thread_name);
    expect_same_fields(read.value("fields", json::object()), said, line);
  });
}

TEST(RoundTrip, Ecs) {
  EcsJson ecs;
  for_many([&](Said& said) {
    ecs.forget_sites();
    const std::string line = line_of(ecs, said.record);
    EXPECT_EQ(unsafe(line), "");
    const json read = json::parse(line, nullptr, false);
    ASSERT_TRUE(read.is_object()) << line;
    EXPECT_EQ(read["@timestamp"], time_string(said.record.wall_ns));
    EXPECT_EQ(read["log.level"], level_name(said.record.site.level));
    EXPECT_EQ(read["log.logger"], said.record.logger);
    EXPECT_EQ(read["message"], said.text);
    EXPECT_EQ(read["process.thread.id"], said.record.tid);
    EXPECT_EQ(read["event.sequence"], said.record.sequence);
    EXPECT_EQ(read.value("process.thread.name", ""), said.record.thread_name);
    expect_same_fields(read.value("sluice.fields", json::object()), said, line);
  });
}

// An AnyValue back as JSON.
json from_any(const json& any) {
  if (any.empty()) return nullptr;
  EXPECT_EQ(any.size(), 1u) << any;
  const std::string type = any.begin().key();
  const nlohmann::json& value = any.begin().value();
  if (type == "intValue") return std::stoll(value.get<std::string>());
  if (type == "arrayValue") {
    json list = json::array();
    for (const json& one : value["values"]) list.push_back(from_any(one));
    return list;
  }
  if (type == "kvlistValue") {
    json object = json::object();
    for (const json& one : value["values"]) {
      object[one["key"].get<std::string>()] = from_any(one["value"]);
    }
    return object;
  }
  EXPECT_TRUE(type == "stringValue" || type == "doubleValue" || type == "boolValue") << any;
  EXPECT_EQ(type == "stringValue", value.is_string());
  EXPECT_EQ(type == "doubleValue", value.is_number());
  return value;
}

TEST(RoundTrip, Otel) {
  OtelJson otel;
  for_many([&](Said& said) {
    otel.forget_sites();
    const std::string line = line_of(otel, said.record);
    EXPECT_EQ(unsafe(line), "");
    const json read = json::parse(line, nullptr, false);
    ASSERT_TRUE(read.is_object()) << line;
    const json& scope = read["resourceLogs"][0]["scopeLogs"][0];
    const json& log = scope["logRecords"][0];
    EXPECT_EQ(scope["scope"]["name"], said.record.logger);
    EXPECT_EQ(log["timeUnixNano"], std::to_string(said.record.wall_ns));
    EXPECT_EQ(log["severityNumber"], u32(said.record.site.level));
    EXPECT_EQ(log["body"]["stringValue"], said.text);
    json fields = json::object();
    std::map<std::string, json> others;
    for (const json& attribute : log["attributes"]) {
      const std::string key = attribute["key"];
      const json value = from_any(attribute["value"]);
      if (!key.starts_with("key")) {
        others[key] = value;
      } else if (said.fields[key].is_number_unsigned() && value.is_string()) {
        EXPECT_GT(said.fields[key].get<u64>(), u64(INT64_MAX));
        fields[key] = std::stoull(value.get<std::string>());
      } else {
        fields[key] = value;
      }
    }
    expect_same_fields(fields, said, line);
    EXPECT_EQ(others["thread.id"], said.record.tid);
    EXPECT_EQ(others["thread.name"].is_null() ? "" : others["thread.name"],
              said.record.thread_name);
  });
}

// key=value pairs, values bare or quoted as JSON strings.
std::map<std::string, std::string> parse_logfmt(const std::string& line, std::string& fault) {
  std::map<std::string, std::string> pairs;
  for (std::size_t at = 0; at < line.size() && line[at] != '\n';) {
    const std::size_t equals = line.find('=', at);
    if (equals == std::string::npos) return fault = "no value", pairs;
    const std::string key = line.substr(at, equals - at);
    std::size_t end = equals + 1;
    std::string value;
    if (line[end] == '"') {
      for (++end; end < line.size() && line[end] != '"'; ++end) end += line[end] == '\\' ? 1 : 0;
      ++end;
      const json text = json::parse(line.substr(equals + 1, end - equals - 1), nullptr, false);
      if (!text.is_string()) return fault = "no JSON string", pairs;
      value = text.get<std::string>();
    } else {
      end = line.find_first_of(" \n", end);
      value = line.substr(equals + 1, end - equals - 1);
    }
    if (!pairs.emplace(key, value).second) return fault = "twice: " + key, pairs;
    if (line[end] != ' ' && line[end] != '\n') return fault = "no blank behind " + key, pairs;
    at = end + 1;
  }
  return pairs;
}

TEST(RoundTrip, Logfmt) {
  for_many([](Said& said) {
    const std::string line = logfmt_line(said.record);
    std::string fault;
    auto read = parse_logfmt(line, fault);
    ASSERT_EQ(fault, "") << line;
    EXPECT_EQ(read["ts"], time_string(said.record.wall_ns));
    EXPECT_EQ(read["level"], level_name(said.record.site.level));
    EXPECT_EQ(read["msg"], said.text) << line;
    EXPECT_EQ(read["seq"], std::to_string(said.record.sequence));
    EXPECT_EQ(read["thread"], said.record.thread_name);
    for (const auto& [key, value] : said.fields.items()) {
      if (value.is_string()) {
        EXPECT_EQ(read[key], value.get<std::string>()) << line;
      } else {
        EXPECT_TRUE(same_number(read[key], value)) << key << " of " << line;
      }
    }
  });
}

TEST(RoundTrip, Rfc5424) {
  for_many([](Said& said) {
    SyslogText one(1);
    TextBuffer out;
    ASSERT_TRUE(said.record.parse());
    ASSERT_TRUE(one.append(said.record.entry(), out));
    const std::string message(out.text());
    EXPECT_EQ(unsafe(message + "\n"), "");
    Rfc5424 read;
    ASSERT_EQ(read.parse(message), "") << message;
    EXPECT_EQ(read.time, time_string(said.record.wall_ns).substr(0, 26) + "Z");
    EXPECT_EQ(read.host + read.app + read.process + read.message_id, "boxgame99-");
    EXPECT_EQ(read.message, shown(said.text));
    EXPECT_EQ(read.data["sluice@32473"]["level"], level_name(said.record.site.level));
    EXPECT_EQ(read.data["sluice@32473"]["seq"], std::to_string(said.record.sequence));
    EXPECT_EQ(read.data["sluice@32473"]["thread"], shown(said.record.thread_name));
    ASSERT_EQ(read.data["fields@32473"].size(), said.fields.size()) << message;
    for (const auto& [key, value] : said.fields.items()) {
      const std::string& found = read.data["fields@32473"][key];
      if (value.is_string()) {
        EXPECT_EQ(found, shown(value.get<std::string>()));
      } else {
        EXPECT_TRUE(same_number(found, value)) << found << " of " << message;
      }
    }
  });
}

TEST(RoundTrip, Text) {
  for_many([](Said& said) {
    const std::string line = text_line(said.record, kDefaultPattern);
    EXPECT_EQ(unsafe(line), "");
    char time[40], level[16], source[40], logger[40];
    unsigned tid = 0;
    int end = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "%39s %15s [%u] %39s %39s%n", time, level, &tid, source,
                          logger, &end),
              5)
        << line;
    EXPECT_EQ(time, time_string(said.record.wall_ns));
    EXPECT_EQ(level, level_name(said.record.site.level));
    EXPECT_EQ(tid, said.record.tid);
    EXPECT_STREQ(source, "game.cc:42");
    EXPECT_EQ(logger, said.record.logger);
    // Behind the message stand the fields, as in logfmt.
    EXPECT_TRUE(line.substr(std::size_t(end) + 1).starts_with(shown(said.text))) << line;
  });
}

}  // namespace
}  // namespace sluice
