// Definition records come back as they were, refuse what nobody could have written, and the clock
// is exact.
#include "segment/definitions.h"

#include <gtest/gtest.h>

#include <limits>

#include "segment_fixture.h"

namespace sluice::testing {
namespace {

TEST(Definitions, ComeBack) {
  const auto run = decode_run(encode_definition(test_run()));
  ASSERT_TRUE(run);
  EXPECT_EQ(run->region_id, test_run().region_id);
  EXPECT_EQ(run->version, "1.2.3");
  EXPECT_EQ(run->run_id, "run-7");
  EXPECT_EQ(run->start_wall_ns, test_run().start_wall_ns);
  const auto thread = decode_thread(encode_definition(ThreadDefinition{4095, ~0u, ~u64{0}, "ä"}));
  ASSERT_TRUE(thread);
  EXPECT_EQ(thread->slot, 4095);
  EXPECT_EQ(thread->generation, ~0u);
  EXPECT_EQ(thread->tid, ~u64{0});
  EXPECT_EQ(thread->name, "ä");
  const auto clock = decode_clock(encode_definition(test_clock()));
  ASSERT_TRUE(clock);
  EXPECT_EQ(clock->wall_ns, test_clock().wall_ns);
  EXPECT_EQ(clock->epoch, 1u);
  const auto site = decode_site_record(encode_definition(test_site(20)));
  ASSERT_TRUE(site);
  EXPECT_EQ(site->format, test_site(20).format);
}

TEST(Definitions, LongTextsAreCutAndStillReadable) {
  RunDefinition run = test_run();
  run.product = std::string(5000, 'p');
  EXPECT_EQ(decode_run(encode_definition(run))->product.size(), kRunTextBytesMax);
  ThreadDefinition thread{1, 1, 1, std::string(5000, 't')};
  EXPECT_EQ(decode_thread(encode_definition(thread))->name.size(), kThreadNameBytesMax);
}

TEST(Definitions, EveryCutIsRefused) {
  const std::vector<std::byte> records[] = {
      encode_definition(test_run()), encode_definition(ThreadDefinition{1, 1, 1, "12345678"}),
      encode_definition(test_clock())};
  for (std::size_t size = 0; size + 8 <= records[0].size(); ++size) {
    EXPECT_FALSE(decode_run(ByteView(records[0]).first(size))) << size;
  }
  for (std::size_t size = 0; size < records[1].size(); ++size) {
    EXPECT_FALSE(decode_thread(ByteView(records[1]).first(size))) << size;
  }
  for (std::size_t size = 0; size < records[2].size(); ++size) {
    EXPECT_FALSE(decode_clock(ByteView(records[2]).first(size))) << size;
  }
}

TEST(Definitions, ImpossibleFieldsAreRefused) {
  Bytes thread = encode_definition(ThreadDefinition{1, 1, 1, "x"});
  store(thread.data() + 16, u64{kThreadSlotsMax});
  EXPECT_FALSE(decode_thread(thread));
  thread = encode_definition(ThreadDefinition{1, 1, 1, "x"});
  store(thread.data() + 40, ~u64{0});
  EXPECT_FALSE(decode_thread(thread));
  Bytes run = encode_definition(test_run());
  store(run.data() + 16, u64{15});
  EXPECT_FALSE(decode_run(run));
}

TEST(Clock, IsExactBeforeAndAfterAndNeverWraps) {
  const ClockDefinition clock = test_clock();
  EXPECT_EQ(clock.wall_ns_at(clock.ticks), clock.wall_ns);
  EXPECT_EQ(clock.wall_ns_at(clock.ticks + 2'000'000'000), clock.wall_ns + 1'000'000'000);
  EXPECT_EQ(clock.wall_ns_at(clock.ticks - 1000), clock.wall_ns - 500);
  // 2.1 GHz over a year: below a nanosecond of error beyond the rate's own rounding.
  const u64 rate = u64(double(u64{1} << 32) / 2.1);
  const ClockDefinition fast{.ticks = 0, .wall_ns = 0, .ns_per_tick_2_32 = rate, .epoch = 1};
  const u64 year = u64{2'100'000'000} * 86'400 * 365;
  __extension__ using u128 = unsigned __int128;
  EXPECT_EQ(fast.wall_ns_at(year), i64((u128{year} * rate) >> 32));
  const ClockDefinition wild{.ticks = 0,
                             .wall_ns = std::numeric_limits<i64>::max() - 1,
                             .ns_per_tick_2_32 = ~u64{0},
                             .epoch = 1};
  EXPECT_EQ(wild.wall_ns_at(~u64{0} >> 1), std::numeric_limits<i64>::max());
  EXPECT_EQ(wild.wall_ns_at(u64{1} << 63), std::numeric_limits<i64>::min());
}

}  // namespace
}  // namespace sluice::testing
