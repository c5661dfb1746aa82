// sanitizers: address (one thread)
#include "upload/destination.h"

#include <gtest/gtest.h>

#include <string>

#include "upload/backoff.h"

namespace sluice::test {
namespace {

using upload::Backoff;
using upload::Destination;
using upload::Layout;

Destination parsed(std::string_view url, std::string_view endpoint = {}) {
  auto destination = Destination::parse(url, endpoint);
  EXPECT_TRUE(destination.ok()) << destination.status().message();
  return destination.ok() ? destination.value() : Destination();
}

std::string object(std::string_view url, Layout layout, std::string_view file, i64 modified = 0) {
  const auto name = parsed(url).object_for(layout, file, modified);
  return name.ok() ? name.value() : "REFUSED";
}

TEST(Destination, ReadsUrls) {
  EXPECT_EQ(parsed("gs://bucket").bucket(), "gs://bucket");
  EXPECT_EQ(parsed("gs://bucket").prefix(), "");
  EXPECT_EQ(parsed("s3://b/").prefix(), "");
  EXPECT_EQ(parsed("s3://b/x/y").bucket(), "s3://b");
  EXPECT_EQ(parsed("s3://b/x/y").prefix(), "x/y/");
  EXPECT_EQ(parsed("s3://b/x/y//").prefix(), "x/y/");
  EXPECT_EQ(parsed("file:///mnt/x/").directory(), "/mnt/x");
  EXPECT_EQ(parsed("/mnt/x").bucket(), "file:///mnt/x");
  EXPECT_EQ(parsed("gs://b").directory(), "");
}

TEST(Destination, RefusesWhatIsNone) {
  using namespace std::string_view_literals;
  for (const std::string_view url :
       {""sv, "ftp://x/y"sv, "http://b"sv, "gs://"sv, "gs:///x"sv, "s3:///"sv, "file://x/y"sv,
        "file://"sv, "gs://b/a//b"sv, "gs://b/../c"sv, "gs://b/x\ny"sv, "gs://b/\xff"sv,
        "/a\0b"sv}) {
    const auto destination = Destination::parse(url, {});
    EXPECT_FALSE(destination.ok()) << url;
    EXPECT_FALSE(destination.status().message().empty());
  }
  EXPECT_FALSE(Destination::parse("gs://b/" + std::string(1100, 'x'), {}).ok());
}

TEST(Destination, NamesObjects) {
  const std::string file = "pay_ment_2026-01-02_18-55-02_17.log";
  EXPECT_EQ(object("gs://b", Layout::kFlat, file), file);
  EXPECT_EQ(object("gs://b/logs", Layout::kFlat, file), "logs/" + file);
  EXPECT_EQ(object("gs://b/logs/", Layout::kHive, file),
            "logs/event=pay_ment/date=2026-01-02/hour=18/" + file);
  // No name of a finished file: the time of its last change, 2026-11-26T22:13:20Z.
  EXPECT_EQ(object("gs://b", Layout::kHive, "app.7.log", 1'795'731'200'000'000'000),
            "event=app/date=2026-11-26/hour=22/app.7.log");
}

TEST(Destination, RefusesNamesThatNoStoreTakes) {
  EXPECT_EQ(object("gs://b", Layout::kFlat, "a\nb"), "REFUSED");
  EXPECT_EQ(object("gs://b", Layout::kFlat, "a\xff"), "REFUSED");
  EXPECT_EQ(object("gs://b/" + std::string(1000, 'x'), Layout::kFlat, std::string(100, 'y')),
            "REFUSED");
  EXPECT_EQ(object("gs://b", Layout::kFlat, "\xc3\xa4 b"), "\xc3\xa4 b");
}

// What is known of an object of one destination says nothing of another's.
TEST(Destination, KeysTellDestinationsApart) {
  const Destination one = parsed("s3://b/x"), other = parsed("s3://b/x", "http://127.0.0.1:9000");
  EXPECT_NE(one.key_of("x/f"), other.key_of("x/f"));
  EXPECT_NE(one.key_of("x/f"), parsed("gs://b/x").key_of("x/f"));
  EXPECT_EQ(one.object_of(one.key_of("x/f")), "x/f");
  EXPECT_EQ(one.object_of(other.key_of("x/f")), "");
  EXPECT_EQ(parsed("s3://bb").object_of(one.key_of("x/f")), "");
}

TEST(Backoff, GrowsToItsCapWithFullJitter) {
  const Backoff backoff;
  EXPECT_EQ(backoff.ceiling_ms(0), 1000u);
  EXPECT_EQ(backoff.ceiling_ms(3), 8000u);
  EXPECT_EQ(backoff.ceiling_ms(6), 64'000u);
  EXPECT_EQ(backoff.ceiling_ms(63), 64'000u);
  EXPECT_EQ(backoff.wait_ms(0, 0, 0), 0u);
  EXPECT_EQ(backoff.wait_ms(0, 0, 1000), 1000u);
  EXPECT_EQ(backoff.wait_ms(0, 0, 1001), 0u);
  EXPECT_EQ(backoff.wait_ms(0, 5000, 0), 5000u) << "what the store asks for holds";
  EXPECT_EQ(backoff.wait_ms(0, ~u64{0}, 0), upload::kAskedMsMax);
  EXPECT_EQ(Backoff({.base_ms = 0, .cap_ms = 0}).wait_ms(9, 0, 12345), 0u);
}

}  // namespace
}  // namespace sluice::test
