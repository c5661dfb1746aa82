// A set of streams while the disk hangs over one of them: the others go on. And streams that are
// closed and opened again without end while threads write to them: each record is accounted for,
// and what is closed is deleted.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <thread>

#include "stream/set.h"
#include "stream/stream_files.h"
#include "stream/users.h"
#include "support/hang_io.h"

namespace sluice::stream {
namespace {

using testing::HangIo;

constexpr u32 kNever = 60'000;  // ms, which no test should take
constexpr u64 kPoolBytes = u64{64} << 20;

class SetOnASlowDisk : public ::testing::Test {
 protected:
  // `act` waits for the disk, and meanwhile all else goes on.
  void expect_others_go_on(const std::function<void()>& act, bool closes_all = false) {
    std::atomic<bool> over{false};
    io_.hang("/slow.log");
    std::thread waits([&] {
      act();
      over = true;
    });
    io_.wait_until_somebody_hangs();
    EXPECT_TRUE(set_.has("there"));
    EXPECT_GE(set_.names().size(), 1u);
    EXPECT_GE(set_.statistics().accepted, 1u);
    EXPECT_TRUE(set_.status().ok());
    (void)set_.times();
    if (!closes_all) {
      EXPECT_EQ(set_.write("new", "n"), Admission::kOk);
      EXPECT_TRUE(set_.close_stream("new", kNever).ok());
    }
    EXPECT_FALSE(over.load()) << "they have waited for the disk";
    io_.go_on();
    waits.join();
  }

  const test::OwnDirectory directory_;
  HangIo io_{os::real_io()};
  Set set_{Directory::open(io_, directory_.path()).value(), Engine::shared(kPoolBytes).value(), {}};
  const Admission first_ = set_.write("there", "t");
};

TEST_F(SetOnASlowDisk, AFlushKeepsNobodyFromTheOthers) {
  ASSERT_EQ(set_.write("slow", "s"), Admission::kOk);
  expect_others_go_on([&] { EXPECT_TRUE(set_.flush(kNever, false)); });
}

TEST_F(SetOnASlowDisk, ClosingOneKeepsNobodyFromTheOthers) {
  ASSERT_EQ(set_.write("slow", "s"), Admission::kOk);
  expect_others_go_on([&] { EXPECT_TRUE(set_.close_stream("slow", kNever).ok()); });
}

TEST_F(SetOnASlowDisk, ClosingAllKeepsNobodyFromAsking) {
  ASSERT_EQ(set_.write("slow", "s"), Admission::kOk);
  expect_others_go_on([&] { EXPECT_TRUE(set_.close(kNever).ok()); }, true);
}

TEST_F(SetOnASlowDisk, OpeningOneKeepsNobodyFromTheOthers) {
  expect_others_go_on([&] { EXPECT_EQ(set_.write("slow", "s"), Admission::kOk); });
}

// Those who come while it is opened wait for that, and there is one.
TEST_F(SetOnASlowDisk, AStreamIsOpenedByOne) {
  io_.hang("/slow.log");
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] { EXPECT_EQ(set_.write("slow", "s"), Admission::kOk); });
  }
  io_.wait_until_somebody_hangs();
  io_.go_on();
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(set_.close(kNever).ok());
  EXPECT_EQ(test::records_of_stream(directory_.path(), "slow").size(), 4u);
}

TEST_F(SetOnASlowDisk, AStreamThatIsOpenedWhileAllAreClosedIsClosedToo) {
  io_.hang("/slow.log");
  std::thread writer([&] { EXPECT_EQ(set_.write("slow", "s"), Admission::kStopped); });
  io_.wait_until_somebody_hangs();
  EXPECT_TRUE(set_.close(kNever).ok());
  io_.go_on();
  writer.join();
  EXPECT_FALSE(set_.has("slow"));
  EXPECT_EQ(set_.statistics().accepted, 1u);
  EXPECT_EQ(set_.statistics().dropped(), 1u);
}

// A thread that is within a write keeps the stream from being deleted: the control of what follows.
TEST(ClosedStreams, AreKeptWhileAThreadUsesThem) {
  std::atomic<int*> published{nullptr};
  int thing = 0;
  EXPECT_EQ(Use<int>(published).get(), nullptr);
  published = &thing;
  {
    const Use<int> use(published);
    EXPECT_EQ(use.get(), &thing);
    published = nullptr;
    ASSERT_TRUE(Users::pass_barrier()) << "this kernel has no membarrier(2)";
    EXPECT_TRUE(Users::in_use(&thing));
    std::thread([&] { EXPECT_EQ(Use<int>(published).get(), nullptr); }).join();
    EXPECT_TRUE(Users::in_use(&thing));
  }
  EXPECT_FALSE(Users::in_use(&thing));
}

TEST(ClosedStreams, ThreadsThatEndLeaveTheirPlaceToOthers) {
  constexpr int kThreads = 2000;
  int thing = 0;
  std::atomic<int*> published{&thing};
  const auto use_in_a_thread = [&] {
    std::thread([&] { EXPECT_EQ(Use<int>(published).get(), &thing); }).join();
  };
  use_in_a_thread();
  const auto memory_before = i64(::mallinfo2().uordblks);
  for (int i = 0; i < kThreads; ++i) use_in_a_thread();
  EXPECT_LT(i64(::mallinfo2().uordblks) - memory_before, i64{kThreads} * 16);
}

constexpr int kNames = 4, kWriters = 3, kClosers = 2;
std::string name_of(int number) { return "s" + std::to_string(number); }

// Of each name and writer, how many were accepted: they are numbered from 0, without a gap.
using Accepted = std::array<std::array<int, kWriters>, kNames>;

struct Counts {
  Accepted accepted{};
  u64 dropped = 0;
};

// Writes to all names in turn until told to stop.
void write_to_all(Set& set, int writer, const std::atomic<bool>& enough, Counts& counts) {
  for (int turn = writer; !enough.load(); ++turn) {
    int& next = counts.accepted[std::size_t(turn % kNames)][std::size_t(writer)];
    const std::string record = std::to_string(writer) + " " + std::to_string(next) + " ";
    if (set.write(name_of(turn % kNames), record) == Admission::kOk) {
      ++next;
    } else {
      ++counts.dropped;
    }
    if (turn % 8 == 0) std::this_thread::yield();
  }
}

void close_many(Set& set, int closer, int times) {
  for (int turn = 0; turn < times; ++turn) {
    const std::string name = name_of((turn * kClosers + closer) % kNames);
    (void)set.open_stream(name);
    // Not ok where the other closer was faster.
    (void)set.close_stream(name, kNever);
  }
}

u64 mappings() {
  const std::string maps = test::read_file("/proc/self/maps");
  return u64(std::count(maps.begin(), maps.end(), '\n'));
}

TEST(ClosedStreams, AreDeletedWhileOthersWriteAndEachRecordIsAccountedFor) {
  const int closes = ::getenv("SLUICE_TEST_FULL") != nullptr ? 100'000 : 3'000;
  const test::OwnDirectory directory;
  StreamOptions options;
  options.shards = 2;
  Set set(Directory::open(os::real_io(), directory.path()).value(),
          Engine::shared(kPoolBytes).value(), options);
  std::atomic<bool> enough{false};
  std::array<Counts, kWriters> counts;
  std::vector<std::thread> writers, closers;
  close_many(set, 0, 100);
  const auto memory_before = i64(::mallinfo2().uordblks);
  const u64 mappings_before = mappings();
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back(
        [&, writer] { write_to_all(set, writer, enough, counts[std::size_t(writer)]); });
  }
  for (int closer = 0; closer < kClosers; ++closer) {
    closers.emplace_back([&, closer] { close_many(set, closer, closes / kClosers); });
  }
  for (std::thread& closer : closers) closer.join();
  enough = true;
  for (std::thread& writer : writers) writer.join();
  close_many(set, 0, kNames);
  EXPECT_EQ(set.gone_streams(), 0u) << "nobody uses any";
  EXPECT_LT(i64(::mallinfo2().uordblks) - memory_before, i64{1} << 20);
  EXPECT_LT(mappings(), mappings_before + 100);
  EXPECT_TRUE(set.close(kNever).ok());

  u64 accepted = 0, dropped = 0;
  for (int name = 0; name < kNames; ++name) {
    std::map<int, std::vector<int>> expected;
    for (int writer = 0; writer < kWriters; ++writer) {
      const int count =
          counts[std::size_t(writer)].accepted[std::size_t(name)][std::size_t(writer)];
      for (int number = 0; number < count; ++number) expected[writer].push_back(number);
      accepted += u64(count);
    }
    EXPECT_EQ(test::numbers_by_writer(test::records_of_stream(directory.path(), name_of(name))),
              expected);
  }
  for (const Counts& each : counts) dropped += each.dropped;
  EXPECT_GT(accepted, 0u);
  EXPECT_EQ(set.statistics().accepted, accepted);
  EXPECT_EQ(set.statistics().dropped(), dropped);
  EXPECT_GT(set.statistics().files, u64(closes) / 10);
}

}  // namespace
}  // namespace sluice::stream
