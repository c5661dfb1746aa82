#include "runtime/config.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/variables.h"
#include "support/read_file.h"

namespace sluice::runtime {
namespace {

TEST(ParseBytes, NumbersWithUnits) {
  const struct {
    const char* text;
    u64 value;
  } good[] = {{"0", 0},
              {"17", 17},
              {"64K", 65536},
              {"64k", 65536},
              {"8MiB", 8 << 20},
              {"1G", u64{1} << 30},
              {"3KB", 3072},
              {"5B", 5},
              {"18446744073709551615", ~u64{0}},
              {"17179869183G", u64{17179869183} << 30}};
  for (const auto& each : good) {
    u64 value = 0;
    EXPECT_TRUE(parse_bytes(each.text, value)) << each.text;
    EXPECT_EQ(value, each.value) << each.text;
  }
  for (const char* bad : {"", "K", "B", "-1", "1.5K", " 1", "1 ", "0x10", "K1", "1T", "1KK",
                          "18446744073709551616", "17179869184G"}) {
    u64 value = 0;
    EXPECT_FALSE(parse_bytes(bad, value)) << bad;
  }
}

TEST(ParseAge, NumbersWithUnits) {
  u64 seconds = 0;
  EXPECT_TRUE(parse_age("90s", seconds) && seconds == 90);
  EXPECT_TRUE(parse_age("2w", seconds) && seconds == 2 * 7 * 86'400);
  EXPECT_TRUE(parse_age("0", seconds) && seconds == 0);
  for (const char* bad : {"", "7", "d", "-1d", "1.5h", "1 d", "7days", "99999999999w"}) {
    EXPECT_FALSE(parse_age(bad, seconds)) << bad;
  }
}

TEST(MakeConfig, HowFilesRotateAndOnlyFiles) {
  Options options;
  options.sinks = {text_file("a.log", {.rotate_bytes = 5, .rotate_seconds = 9}),
                   segment_files("s", {.rotate_at = "04:30"}), logfmt_file("a.logfmt"),
                   console({.keep_bytes = 1}), segment_files("t", {.compress = true})};
  ::setenv("SLUICE_FILE_ROTATE_BYTES", "1M", 1);
  ::setenv("SLUICE_FILE_ROTATE_AT", "00:00Z", 1);
  ::setenv("SLUICE_FILE_KEEP_FILES", "7", 1);
  ::setenv("SLUICE_FILE_COMPRESS", "1", 1);
  ::setenv("SLUICE_FILE_KEEP_AGE", "2d", 1);
  ::setenv("SLUICE_FILE_KEEP_BYTES", "1K", 1);
  Config config;
  const std::vector<std::string> mistakes = make_config(options, config);
  ASSERT_EQ(mistakes.size(), 3u);
  EXPECT_NE(mistakes[2].find("sinks[4]: compress is for files of lines"), std::string::npos);
  EXPECT_NE(mistakes[0].find("sinks[1]: rotate_seconds and rotate_at are for"), std::string::npos);
  EXPECT_NE(mistakes[1].find("sinks[3]: keep_seconds and keep_bytes are for"), std::string::npos);
  EXPECT_EQ(config.sinks[2].keep_files, 7u) << "logfmt too";
  EXPECT_NE(to_text(config).find("rotate at 1048576 bytes, rotate after 9 seconds, rotate at"
                                 " 00:00Z, keep 7 rotated files, compressed, keep 172800"
                                 " seconds, keep 1024 bytes"),
            std::string::npos);
  ::setenv("SLUICE_FILE_ROTATE_AGE", "soon", 1);
  Config wrong;
  EXPECT_NE(make_config(options, wrong)[0].find("SLUICE_FILE_ROTATE_AGE: 'soon' is no age"),
            std::string::npos);
  for (const char* name :
       {"SLUICE_FILE_ROTATE_BYTES", "SLUICE_FILE_ROTATE_AT", "SLUICE_FILE_ROTATE_AGE",
        "SLUICE_FILE_KEEP_FILES", "SLUICE_FILE_COMPRESS", "SLUICE_FILE_KEEP_AGE",
        "SLUICE_FILE_KEEP_BYTES"}) {
    ::unsetenv(name);
  }
}

TEST(MakeConfig, WhatStoresKeepAndOnlyStores) {
  Options options;
  options.sinks = {store_file("a.db", {.keep_rows = 7}), text_file("a.log")};
  ::setenv("SLUICE_STORE_KEEP_AGE", "7d", 1);
  ::setenv("SLUICE_STORE_KEEP_BYTES", "1G", 1);
  ::setenv("SLUICE_STORE_KEEP_WHOLE_RUNS", "1", 1);
  Config config;
  EXPECT_TRUE(make_config(options, config).empty());
  EXPECT_EQ(config.sinks[0].keep_seconds, 7u * 86'400);
  EXPECT_EQ(config.sinks[0].keep_rows, 7u);
  EXPECT_EQ(config.sinks[0].keep_bytes, u64{1} << 30);
  EXPECT_EQ(config.sinks[1].keep_bytes, 0u);
  EXPECT_TRUE(config.sinks[0].keep_whole_runs);
  EXPECT_FALSE(config.sinks[1].keep_whole_runs);
  EXPECT_NE(to_text(config).find("keep 604800 seconds, keep 7 rows, keep 1073741824 bytes, whole"
                                 " runs first"),
            std::string::npos);
  ::setenv("SLUICE_STORE_KEEP_AGE", "a week", 1);
  ::setenv("SLUICE_STORE_KEEP_BYTES", "10K", 1);
  ::setenv("SLUICE_STORE_KEEP_WHOLE_RUNS", "some", 1);
  options.sinks[1].keep_rows = 5;
  Config wrong;
  const std::vector<std::string> mistakes = make_config(options, wrong);
  ASSERT_EQ(mistakes.size(), 4u);
  EXPECT_NE(mistakes[0].find("SLUICE_STORE_KEEP_AGE: 'a week' is no age"), std::string::npos);
  EXPECT_NE(mistakes[1].find("'some' is neither on nor off"), std::string::npos);
  EXPECT_NE(mistakes[2].find("below 1 MiB"), std::string::npos);
  EXPECT_NE(mistakes[3].find("keep_whole_runs are for stores"), std::string::npos);
  ::unsetenv("SLUICE_STORE_KEEP_AGE");
  ::unsetenv("SLUICE_STORE_KEEP_BYTES");
  ::unsetenv("SLUICE_STORE_KEEP_WHOLE_RUNS");
}

TEST(MakeConfig, FullTextIsForStores) {
  Options options;
  options.sinks = {store_file("a.db", {.full_text = true}), text_file("a.log")};
  Config config;
  EXPECT_TRUE(make_config(options, config).empty());
  EXPECT_TRUE(config.sinks[0].full_text);
  EXPECT_NE(to_text(config).find(", full text"), std::string::npos);
  ::setenv("SLUICE_STORE_FULL_TEXT", "0", 1);
  Config off;
  EXPECT_TRUE(make_config(options, off).empty());
  EXPECT_FALSE(off.sinks[0].full_text);
  ::setenv("SLUICE_STORE_FULL_TEXT", "much", 1);
  options.sinks[1].full_text = true;
  Config wrong;
  const std::vector<std::string> mistakes = make_config(options, wrong);
  ASSERT_EQ(mistakes.size(), 2u);
  EXPECT_NE(mistakes[0].find("SLUICE_STORE_FULL_TEXT: 'much' is neither on nor off"),
            std::string::npos);
  EXPECT_NE(mistakes[1].find("full_text is for stores"), std::string::npos);
  ::unsetenv("SLUICE_STORE_FULL_TEXT");
}

// Options are put together from texts that are gone when start() reads them.
TEST(MakeConfig, TextsAreOwnedAndPathsAbsolute) {
  Options options;
  {
    std::string directory = "a directory whose name is longer than what a string holds in itself";
    options.product = directory.substr(2, 9);
    options.sinks.push_back(text_file(directory + "/relative.log"));
    directory.assign(directory.size(), '#');
  }
  Config config;
  EXPECT_TRUE(make_config(options, config).empty());
  EXPECT_EQ(config.product, "directory");
  ASSERT_EQ(config.sinks.size(), 1u);
  EXPECT_EQ(config.sinks[0].path.front(), '/');
  EXPECT_TRUE(config.sinks[0].path.ends_with("in itself/relative.log")) << config.sinks[0].path;
  EXPECT_EQ(config.run_id.size(), 32u);
  Config other;
  (void)make_config({}, other);
  EXPECT_NE(other.run_id, config.run_id);
  EXPECT_EQ(other.sinks.size(), 1u);
  EXPECT_EQ(other.sinks[0].kind, SinkKind::console);
}

TEST(Config, RingsGrowWithTheJournal) {
  const auto ring_of = [](u64 journal_bytes, u64 ring_bytes) {
    Config config;
    const auto mistakes =
        make_config({.ring_bytes = ring_bytes, .journal_bytes = journal_bytes}, config);
    EXPECT_EQ(mistakes.size(), 0u);
    return config.ring_bytes;
  };
  EXPECT_EQ(ring_of(8 << 20, 0), 512u << 10);
  EXPECT_EQ(ring_of(1 << 20, 0), 512u << 10);
  EXPECT_EQ(ring_of(256 << 20, 0), 4u << 20);
  EXPECT_EQ(ring_of(256 << 20, 64 << 10), 64u << 10) << "what is asked for";
}

// A variable that is documented and read must not be called unknown.
TEST(Variables, EveryOneOfTheDocumentIsKnown) {
  const std::string all = test::read_file(SLUICE_SOURCE_DIR "/docs/configuration.md");
  const std::string mark = "`SLUICE_";
  u32 count = 0;
  for (auto at = all.find(mark); at != all.npos; at = all.find(mark, at + 1)) {
    const auto end = all.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", at + 1);
    if (end == all.npos || all[end] != '`') continue;  // a name with a pattern in it
    ::setenv(all.substr(at + 1, end - at - 1).c_str(), "", 1);
    ++count;
  }
  EXPECT_GT(count, 20u);
  EXPECT_EQ(unknown_variables(), std::vector<std::string>{});
  ::setenv("SLUICE_\x1b[2J", "", 1);
  const std::vector<std::string> odd = unknown_variables();
  ASSERT_EQ(odd.size(), 1u);
  EXPECT_TRUE(odd[0].starts_with("SLUICE_\\x1b[2J is no variable")) << odd[0];
  ::unsetenv("SLUICE_\x1b[2J");
}

TEST(MakeConfig, SegmentsAreNamedAfterTheProductThatCounts) {
  Config config;
  ::setenv("SLUICE_PRODUCT", "from-outside", 1);
  (void)make_config(
      {.product = "shop", .sinks = {segment_files("a"), segment_files("b", {.name = "c"})}},
      config);
  ::unsetenv("SLUICE_PRODUCT");
  ASSERT_EQ(config.sinks.size(), 2u);
  EXPECT_EQ(config.sinks[0].name, "from-outside");
  EXPECT_EQ(config.sinks[1].name, "c");
}

// Rotation would count the other's file as one of the log's.
TEST(MakeConfig, ASinkAtARotatedNameOfAnotherIsAMistake) {
  const auto mistakes_of = [](std::vector<Sink> sinks) {
    Options options;
    options.sinks = std::move(sinks);
    Config config;
    return make_config(options, config);
  };
  for (const bool first : {false, true}) {
    std::vector<Sink> sinks = {text_file("/d/srv.log"), json_file("/d/srv.2.log")};
    if (first) std::swap(sinks[0], sinks[1]);
    const auto mistakes = mistakes_of(sinks);
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes[0],
              std::string(first ? "sinks[0]" : "sinks[1]") +
                  ": /d/srv.2.log is a name that rotation gives to files of " +
                  (first ? "sinks[1]" : "sinks[0]") +
                  ", /d/srv.log; choose a name that does not differ from it by a number alone");
  }
  EXPECT_EQ(mistakes_of({text_file("/d/srv.log"), text_file("/d/srv.2.log.zst")}).size(), 1u);
  for (const char* fine : {"/d/srv.x.log", "/e/srv.2.log", "/d/srv.02.log", "/d/srv2.log"}) {
    EXPECT_TRUE(mistakes_of({text_file("/d/srv.log"), text_file(fine)}).empty()) << fine;
  }
  EXPECT_TRUE(mistakes_of({text_file("/d/srv.log"), segment_files("/d/srv.2.log")}).empty());
  EXPECT_TRUE(mistakes_of({text_file("/d/srv.log"), text_file("")}).size() == 1);
}

TEST(MakeConfig, NineSinksAreAMistake) {
  Options options;
  for (char c = 'a'; c <= 'i'; ++c) options.sinks.push_back(text_file(std::string(1, c)));
  Config config;
  EXPECT_EQ(make_config(options, config).size(), 1u);
  options.sinks.pop_back();
  Config fits;
  EXPECT_TRUE(make_config(options, fits).empty());
}

TEST(MakeConfig, WhatIsRequiredByItself) {
  Config config;
  const auto nothing = [](const CallbackRecord&, void*) {};
  (void)make_config({.sinks = {console(), text_file("a"), json_file("b"), segment_files("c"),
                               callback(nothing), text_file("d", {.need = Sink::Need::best_effort}),
                               callback(nothing, nullptr, {.need = Sink::Need::required})}},
                    config);
  const bool expected[] = {false, true, true, true, false, false, true};
  ASSERT_EQ(config.sinks.size(), std::size(expected));
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(config.sinks[i].required, expected[i]) << i;
  }
}

}  // namespace
}  // namespace sluice::runtime
