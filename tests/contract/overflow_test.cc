// A full ring: what is dropped, what still fits, how it is said, and what waiting changes.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <map>
#include <thread>

#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

constexpr std::uint64_t kRing = 64 * 1024;

Options options_for(const Dirs& dirs) {
  return {
      .product = "overflow", .ring_bytes = kRing, .region_directory = dirs.region, .quiet = true};
}

std::uint64_t field(const Kept::Record& record, const char* name) {
  return record.json["fields"][name].get<std::uint64_t>();
}
bool is_drop_report(const Kept::Record& record) {
  return record.json.contains("fields") && record.json["fields"].contains("dropped_total");
}

// A required sink that stands still and a journal that is full: from here on the ring fills.
struct Stuck {
  explicit Stuck(Options options) {
    options.journal_bytes = 1 << 20;
    options.sinks = {gate.sink({.need = Sink::Need::required}), kept.sink()};
    EXPECT_TRUE(start(options)) << last_error();
    info("first");
    gate.wait_until_entered();
    const std::string filler(1000, '.');
    // Full is what refuses after a pause too, and what has no room left for the smallest record.
    for (int refused = 0; refused < 3;) {
      if (info("{}", filler) == Admission::kDroppedFull) {
        ++refused;
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
      } else {
        refused = 0;
      }
    }
    while (info(".") == Admission::kOk) {
    }
  }
  Kept kept;
  Gate gate;
};

// The last eighth is for warnings and above, and for state.
ISOLATED_TEST(Overflow, TheReserveIsForWarningsAndState) {
  Stuck stuck(options_for(dirs));
  const std::string text(100, 'w');
  EXPECT_EQ(info("{}", text), Admission::kDroppedFull);
  int warnings = 0;
  while (warning("{}", text) == Admission::kOk) ++warnings;
  // 16 bytes of header, 8 a word, 104 of text.
  const int fit = int(kRing / 8 / (16 + 8 + 104));
  EXPECT_GE(warnings, fit - 10);
  EXPECT_LE(warnings, fit + 10);
  EXPECT_EQ(critical("{}", text), Admission::kDroppedFull);
  // No shorter than the last one: where that needed padding at the ring's end, a short one may fit.
  EXPECT_EQ(state("{\"a\":\"" + text + "\"}"), Admission::kDroppedFull);
  stuck.gate.open();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
}

// What was dropped stands in the output, by call site, exactly.
ISOLATED_TEST(Overflow, TheReportsAreExact) {
  Stuck stuck(options_for(dirs));
  (void)flush(Reach::written, 1);
  std::uint64_t dropped[2] = {0, 0};
  for (int i = 0; i < 1000; ++i) {
    dropped[0] += info("site one {}", i) == Admission::kDroppedFull;
    if (i % 3 == 0) dropped[1] += info("site two {}", i) == Admission::kDroppedFull;
  }
  EXPECT_EQ(dropped[0], 1000u);
  const Stats while_stuck = stats();
  stuck.gate.open();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  std::map<std::uint64_t, std::uint64_t> in_all, summed;
  for (const auto& record : stuck.kept.take()) {
    if (!is_drop_report(record)) continue;
    const std::uint64_t site = field(record, "site");
    EXPECT_GE(field(record, "dropped_total"), in_all[site]) << "totals never fall";
    in_all[site] = field(record, "dropped_total");
    summed[site] += field(record, "dropped");
    EXPECT_EQ(record.level, Level::warning);
  }
  std::uint64_t sum = 0;
  bool one = false, two = false;
  for (const auto& [site, total] : in_all) {
    sum += total;
    EXPECT_EQ(total, summed[site]);
    one |= total == dropped[0];
    two |= total == dropped[1];
  }
  EXPECT_EQ(sum, while_stuck.dropped_ring_full);
  EXPECT_TRUE(one && two);
}

// A burst of up to 7/8 of a ring that meets no consumer loses nothing.
ISOLATED_TEST(Overflow, ABurstOfSevenEighthsIsSafe) {
  // Before start() nobody drains: the longest nap of all. The default ring then.
  ASSERT_EQ(prepare_thread(), Admission::kOk);
  const std::uint64_t bytes = 16 + 8;  // of a record with one number
  const std::uint64_t burst = (512 * 1024 / 8 * 7 - 64) / bytes;
  std::uint64_t kept_count = 0;
  for (std::uint64_t i = 0; i < burst; ++i) kept_count += info("{}", i) == Admission::kOk;
  EXPECT_EQ(kept_count, burst);
  std::uint64_t more = 0;
  while (info("{}", more) == Admission::kOk) ++more;
  EXPECT_LE(more, 3u) << "the guarantee is not tight any more: say the new one";
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options));
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(stats().merged, burst + more);
}

// The same after any number of laps, with padding at the ring's end in the way.
ISOLATED_TEST(Overflow, BurstsBetweenDrainsAreSafeOnEveryLap) {
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options));
  std::uint64_t said = 0;
  for (int lap = 0; lap < 40; ++lap) {
    ASSERT_TRUE(flush(Reach::written, 60'000).complete);
    const std::string text(std::size_t(lap) * 13, 'x');
    const std::uint64_t bytes = 16 + 16 + (text.size() + 7) / 8 * 8;
    // One record's length may be lost to padding at the end.
    const std::uint64_t burst = (kRing / 8 * 7 - 64 - bytes) / bytes;
    for (std::uint64_t i = 0; i < burst; ++i) {
      ASSERT_EQ(info("{} {}", i, text), Admission::kOk) << lap;
      ++said;
    }
  }
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(kept.count(), said);
}

ISOLATED_TEST(Overflow, ARecordOfMoreThanAQuarterIsTooBig) {
  Kept kept;
  Options options = options_for(dirs);
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options));
  const std::size_t fits = kRing / 4 - 16 - 8;
  EXPECT_EQ(info("{}", std::string(fits, 'x')), Admission::kOk);
  EXPECT_EQ(info("{}", std::string(fits + 1, 'x')), Admission::kDroppedTooBig);
  EXPECT_EQ(info("{}", std::string(10 << 20, 'x')), Admission::kDroppedTooBig);
  volatile std::size_t absurd = ~std::size_t{0} / 2;  // would wrap the sum of sizes
  EXPECT_EQ(info("{}{}", std::string_view("x", absurd), std::string_view("x", absurd)),
            Admission::kDroppedTooBig);
  (void)flush();
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 1u + 3u) << "one record, three sites with their drop reports";
  EXPECT_EQ(all[0].message, std::string(fits, 'x'));
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_NE(all[i].message.find("overflow_test.cc:"), std::string::npos)
        << "of a site that has had nothing through: " << all[i].message;
  }
  EXPECT_EQ(stats().dropped_too_big, 3u);
}

// The same call again and again: what the first one found out about room says nothing of the size.
void expect_long_records_refused(const Dirs& dirs, std::uint64_t ring) {
  Kept kept;
  Options options = options_for(dirs);
  options.ring_bytes = ring;
  options.sinks = {kept.sink()};
  ASSERT_TRUE(start(options));
  const std::size_t limit = std::min<std::size_t>(ring / 4, 256 * 1024);
  std::uint64_t said = 0, refused = 0;
  const auto say = [&](std::size_t bytes) {
    const Admission admission = info("{}", std::string(bytes, 'x'));
    EXPECT_TRUE(admission == Admission::kOk || admission == Admission::kDroppedTooBig);
    ++(admission == Admission::kOk ? said : refused);
  };
  for (int i = 0; i < 50; ++i) say(10);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  for (const std::size_t bytes : {limit - 24, limit, limit + 8, ring / 2, ring / 8 * 7}) {
    say(bytes);
    say(10);
    ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  }
  for (int i = 0; i < 50; ++i) say(10);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(said, 106u) << "of the five long ones just the first fits";
  EXPECT_EQ(refused, 4u);
  const auto all = kept.take();
  EXPECT_EQ(
      std::count_if(all.begin(), all.end(), [](const auto& one) { return one.message[0] == 'x'; }),
      std::ptrdiff_t(said));
  EXPECT_EQ(stats().damaged, 0u);
}
ISOLATED_TEST(Overflow, ALongRecordOfAWarmedSiteTakesNothingWithIt) {
  expect_long_records_refused(dirs, 512 * 1024);
}
// There a size in words would not even fit the record's header.
ISOLATED_TEST(Overflow, ALongRecordInALargeRingTakesNothingWithIt) {
  expect_long_records_refused(dirs, 4 << 20);
}

// The longest record of all, with a context and a secret in it, which both make it longer.
ISOLATED_TEST(Overflow, TheLongestRecordWithContextAndSecret) {
  Kept kept;
  Options options = options_for(dirs);
  options.ring_bytes = 4 << 20;
  options.sinks = {kept.sink(), segment_files(dirs.file("segments"))};
  ASSERT_TRUE(start(options));
  const Context context(kv("request", std::string(800, 'r')));
  const std::string text(256 * 1024 - 16 - 16 - 8, 'x');
  EXPECT_EQ(info("{text}{password}", text, ""), Admission::kOk);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  const auto all = kept.take();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].json["context"]["request"], std::string(800, 'r'));
  EXPECT_EQ(all[0].json["fields"]["password"], "[redacted]");
  EXPECT_EQ(all[0].json["fields"]["text"], text);
  const Stats now = stats();
  ASSERT_EQ(now.sinks, 2u);
  EXPECT_EQ(now.sink[1].delivered, 1u) << "in a segment too";
  EXPECT_EQ(now.sink[1].dropped_error, 0u);
}

// Waiting for room delivers everything.
ISOLATED_TEST(Overflow, BlockDeliversEverything) {
  const int messages = std::getenv("SLUICE_TEST_FULL") ? 4'000'000 : 400'000;
  Options options = options_for(dirs);
  const std::string log = dirs.file("a.log");
  options.overflow = Overflow::block;
  options.block_deadline_ms = 60'000;
  options.sinks = {text_file(log, {.pattern = "%(message)"})};
  ASSERT_TRUE(start(options));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < messages / 4; ++i) {
        ASSERT_EQ(info("{} {} .................................", t, i), Admission::kOk);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(stats().dropped(), 0u);
  int next[4] = {};
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) {
    int t = 0, i = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "%d %d ", &t, &i), 2) << line;
    ASSERT_EQ(i, next[t]++);
  }
  for (const int count : next) EXPECT_EQ(count, messages / 4);
}

ISOLATED_TEST(Overflow, BlockGivesUpAtItsDeadlineAndCounts) {
  Options options = options_for(dirs);
  options.overflow = Overflow::block;
  options.block_deadline_ms = 60;
  options.journal_bytes = 1 << 20;
  Kept kept;
  Gate gate;
  options.sinks = {gate.sink({.need = Sink::Need::required}), kept.sink()};
  ASSERT_TRUE(start(options));
  Attempts mine;
  const std::string filler(8000, '.');
  std::chrono::steady_clock::duration waited{};
  while (mine.of(Admission::kDroppedFull) == 0) {
    const auto before = std::chrono::steady_clock::now();
    mine.add(info("{}", filler));
    waited = std::chrono::steady_clock::now() - before;
  }
  EXPECT_GE(waited, std::chrono::milliseconds(60));
  EXPECT_LT(waited, std::chrono::seconds(5));
  gate.open();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(imbalance(mine, stats()), "");
}

// A lost patch: whoever puts the state together must know that it has a hole.
ISOLATED_TEST(Overflow, AfterALostPatchTheNextSaysGap) {
  Stuck stuck(options_for(dirs));
  int patches = 0;
  while (state(R"({"n":1})") == Admission::kOk) ++patches;
  EXPECT_GT(patches, 0);
  stuck.gate.open();
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  EXPECT_EQ(state(R"({"after":1})"), Admission::kOk);
  EXPECT_EQ(state(R"({"after":2})"), Admission::kOk);
  // Too big is lost as well; the patch behind it is small and would fit in any case.
  EXPECT_EQ(state("{\"long\":\"" + std::string(kRing, 'x') + "\"}"), Admission::kDroppedTooBig);
  EXPECT_EQ(state(R"({"after":3})"), Admission::kOk);
  ASSERT_TRUE(flush(Reach::written, 60'000).complete);
  std::vector<int> with_gap;
  for (const auto& record : stuck.kept.take()) {
    if (!record.json.contains("patch")) continue;
    if (record.json.value("gap", false)) with_gap.push_back(record.json["patch"].value("after", 0));
  }
  EXPECT_EQ(with_gap, (std::vector<int>{1, 3}));
}

}  // namespace
}  // namespace sluice::test
