// What comes from outside stays text: escapes, line breaks, zeros and broken UTF-8 in any place a
// caller can put them never make a second line, an escape sequence or invalid JSON; and what is
// secret is in no output at all.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <algorithm>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "segment/reader.h"
#include "segment/source.h"

namespace sluice::test {
namespace {

const std::string kNasty = std::string("a\x1b[31mred\nline\r\ttab\0zero\x7f", 24) +
                           "\xff\xfe bad \xc3\x28 \xe2\x80\xa8 sep \xf0\x9f\x98\x80 \xed\xa0\x80";

bool is_clean(std::string_view line) {
  return std::all_of(line.begin(), line.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

void say_it_everywhere() {
  const std::string_view nasty = kNasty;
  SLUICE_INFO("message {} {named}", nasty, nasty, kv("field", nasty));
  log_text(Level::error, nasty.substr(0, 40), nasty);
  event(nasty, R"({"valid":1})");
  event("payload", nasty);
  gauge(nasty, 1.5);
  state(nasty);
  SLUICE_INFO("json {j} bytes {b}", Json{nasty}, Bytes{nasty.data(), nasty.size()});
  SLUICE_INFO("char {}{}{}", '\n', '\x1b', '\0');
  {
    const Context context(kv("context", nasty));
    SLUICE_INFO("in context");
  }
  std::thread([] {
    ::pthread_setname_np(::pthread_self(), "x\n\x1b[2J\xff");
    SLUICE_INFO("by a thread of a nasty name");
  }).join();
}
constexpr std::size_t kSaid = 10;

ISOLATED_TEST(HostileText, OneCleanLineEachInTextAndJson) {
  const std::string text = dirs.file("a.log"), json = dirs.file("a.jsonl"),
                    logfmt = dirs.file("segments");
  Kept kept;
  ASSERT_TRUE(
      start({.product = "hostile",
             .sinks = {text_file(text), json_file(json), segment_files(logfmt), kept.sink()},
             .region_directory = dirs.region,
             .quiet = true}));
  say_it_everywhere();
  ASSERT_TRUE(stop(60'000)) << last_error();
  const auto lines = read_lines(text);
  EXPECT_EQ(lines.size(), kSaid);
  for (const std::string& line : lines) EXPECT_TRUE(is_clean(line)) << line;
  EXPECT_EQ(read_file(text).back(), '\n');
  const auto json_lines = read_lines(json);
  EXPECT_EQ(json_lines.size(), kSaid);
  for (const std::string& line : json_lines) {
    EXPECT_TRUE(is_clean(line)) << line;
    const auto object = nlohmann::json::parse(line, nullptr, false);  // strict about UTF-8
    EXPECT_FALSE(object.is_discarded()) << line;
  }
  // What is valid comes back as it was.
  const auto parsed = nlohmann::json::parse(json_lines[0]);
  EXPECT_NE(parsed["fields"]["field"].get<std::string>().find("\x1b[31mred\nline"),
            std::string::npos);
  EXPECT_EQ(kept.count(), kSaid);
}

ISOLATED_TEST(HostileText, SecretsAreInNoOutput) {
  const std::string text = dirs.file("a.log"), json = dirs.file("a.jsonl"),
                    segments = dirs.file("segments");
  Kept kept;
  ASSERT_TRUE(
      start({.product = "redaction",
             .sinks = {text_file(text), json_file(json), segment_files(segments), kept.sink()},
             .region_directory = dirs.region,
             .quiet = true,
             .redact = "badge"}));
  const std::string secret = "hunter2";
  SLUICE_INFO("login {user} {password}", "ann", secret);
  SLUICE_INFO("header", kv("X-Api-Key", secret), kv("accessToken", secret), kv("ok", true));
  SLUICE_EVENT("auth", kv("authorization", secret));
  event("auth", R"({"user":"ann","credentials":{"password":"hunter2"},"cookie":"hunter2"})");
  state(R"({"session":{"token":"hunter2"}})");
  SLUICE_STATE(kv("badge", secret));
  {
    const Context context(kv("db_password", secret));
    SLUICE_INFO("in context");
  }
  SLUICE_INFO("kept {token_count}", 3);
  ASSERT_TRUE(stop(60'000)) << last_error();
  std::string everything = read_file(text) + read_file(json);
  for (const auto& file : std::filesystem::directory_iterator(segments)) {
    everything += read_file(file.path());
  }
  for (const auto& record : kept.take()) everything += record.message + record.json.dump();
  EXPECT_EQ(everything.find("hunter2"), std::string::npos);
  EXPECT_NE(everything.find("[redacted]"), std::string::npos);
  EXPECT_NE(everything.find("ann"), std::string::npos);
  const auto lines = read_json(json);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[7]["fields"]["token_count"], 3);
  // Negative control: the same search finds what is no secret.
  EXPECT_NE(everything.find("token_count"), std::string::npos);
}

}  // namespace
}  // namespace sluice::test
