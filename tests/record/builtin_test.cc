#include "record/builtin.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

TestRecord drop_report(u64 site, u64 reason) {
  return TestRecord(builtin_site(kSiteDropReport),
                    {arg(ArgType::kU32, site), arg(ArgType::kU32, reason), u64_arg(40), u64_arg(12),
                     u64_arg(1'000'000'000), u64_arg(2'500'000'000)});
}

TEST(Builtin, DropReport) {
  TestRecord record = drop_report(77, 0);
  Site site;
  site.id = 77;
  site.file = "src/game.cc";
  site.line = 42;
  record.sites.add(site);
  EXPECT_EQ(message_of(record),
            "dropped 12 records of game.cc:42 (ring_full) between 1970-01-01T00:00:01.000000000Z "
            "and 1970-01-01T00:00:02.500000000Z, 40 in all");
  EXPECT_EQ(record.the_site().level, Level::warning);
  record.with_clock = false;
  EXPECT_EQ(message_of(record), "dropped 12 records of game.cc:42 (ring_full), 40 in all");
}

TEST(Builtin, DropReportOfNobodyKnowsWhat) {
  TestRecord record = drop_report(99, 1234);
  record.with_clock = false;
  EXPECT_EQ(message_of(record), "dropped 12 records of site 99 (unknown), 40 in all");
}

TEST(Builtin, OtherMessages) {
  TestRecord gap(builtin_site(kSiteSinkGap), {text_arg("console"), u64_arg(9), u64_arg(1)});
  EXPECT_EQ(message_of(gap), "sink console missed 1 record, 9 in all");
  TestRecord run(builtin_site(kSiteRun),
                 {TestArgument{ArgType::kBytes, "", 0, std::string(16, '\1')}, text_arg("game"),
                  text_arg("1.2"), text_arg("run-7"), text_arg("host\n1"), arg(ArgType::kU32, 5),
                  arg(ArgType::kTimestamp, 0)});
  EXPECT_EQ(message_of(run),
            "run run-7 of game 1.2 on host\\n1, pid 5, started 1970-01-01T00:00:00.000000000Z");
  TestRecord killed(builtin_site(kSiteVerdict), {i32_arg(0), i32_arg(9), text_arg("killed")});
  EXPECT_EQ(message_of(killed), "run ended by signal 9: killed");
  TestRecord failed(builtin_site(kSiteVerdict), {i32_arg(3), i32_arg(0), text_arg("")});
  EXPECT_EQ(message_of(failed), "run ended with exit code 3");
  TestRecord thread(builtin_site(kSiteThread), {arg(ArgType::kU32, 4), arg(ArgType::kU32, 1),
                                                arg(ArgType::kU32, 42), text_arg("io")});
  EXPECT_EQ(message_of(thread), "thread 42 \"io\" has slot 4");
  TestRecord unknown(builtin_site(kSiteUnknown), {});
  EXPECT_NE(message_of(unknown).find("no room in the dictionary"), std::string::npos);
}

TEST(Builtin, EveryIdHasADefinitionThatItsOwnDecoderTakes) {
  for (u32 id = 0; id < kSiteFirstCaller; ++id) {
    const Site& site = builtin_site(id);
    EXPECT_TRUE(is_builtin(site));
    const auto decoded = decode_site(encode_site(site));
    ASSERT_TRUE(decoded.ok()) << id;
    EXPECT_EQ(decoded.value().arguments.size(), site.arguments.size());
  }
  EXPECT_EQ(&builtin_site(999), &builtin_site(kSiteUnknown));
}

TEST(Builtin, ADefinitionFromElsewhereUnderABuiltInIdIsAnOrdinaryOne) {
  TestRecord record("plain {}", {i32_arg(1)});
  record.site.id = kSiteDropReport;
  EXPECT_FALSE(is_builtin(record.site));
  EXPECT_EQ(message_of(record), "plain 1");
}

TEST(Builtin, JsonHasTheNumbers) {
  TestRecord record = drop_report(77, 1);
  const auto json = json_of(record);
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["logger"], "sluice");
  EXPECT_EQ(json["fields"]["dropped"], 12);
  EXPECT_EQ(json["fields"]["dropped_total"], 40);
}

TEST(Builtin, SourceIsTheBaseName) {
  Site site;
  EXPECT_EQ(source_of(site), "");
  site.file = "C:\\src\\a.cc";
  site.line = 3;
  EXPECT_EQ(source_of(site), "a.cc:3");
  site.file = "b.cc";
  EXPECT_EQ(source_of(site), "b.cc:3");
}

}  // namespace
}  // namespace sluice
