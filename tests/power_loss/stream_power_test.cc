// Streams and the loss of power: what flush(Reach::durable) has confirmed is there, whole and once,
// and nothing is served that was never written.
//
// sanitizers: none (mounts, and a process that dies with its parent)
#include <gtest/gtest.h>

#include <thread>

#include "base/crc32c.h"
#include "power_loss/rig.h"
#include "stream/core.h"
#include "stream/retention.h"
#include "stream/stored_records.h"
#include "support/fault_io.h"
#include "support/read_file.h"

namespace sluice::power_loss {
namespace {

struct Quiet final : Reporter {
  void report(std::string_view) override {}
};

// A stream with a thread of its own, without counts in shared memory: power takes those too.
class Writer {
 public:
  Writer(os::Io& io, const std::string& directory, const StreamOptions& options)
      : pool_(stream::Pool::make(8 << 20).value()),
        directory_(stream::Directory::open(io, directory).value()),
        core_(io, *pool_, directory_, directory_->claim("s").value(), options, 1, wake_, quiet_),
        started_(core_.start()),
        thread_([this] { work(); }) {}
  ~Writer() {
    (void)core_.close(10'000);
    stopping_ = true;
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] const Status& started() const { return started_; }
  [[nodiscard]] stream::Core& core() { return core_; }
  [[nodiscard]] stream::Directory& directory() { return *directory_; }

 private:
  void work() {
    while (!stopping_) {
      const u32 seen = Wake::look(wake_);
      if (!core_.round(os::monotonic_ns())) os::wait_on(wake_, seen, 1'000'000);
    }
  }

  Quiet quiet_;
  std::atomic<u32> wake_{0};
  const std::unique_ptr<stream::Pool> pool_;
  const std::shared_ptr<stream::Directory> directory_;
  stream::Core core_;
  const Status started_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

std::string record_of(u64 number) {
  std::string text = "record " + std::to_string(number) + " ";
  text.append(number * 2654435761 % 900, char('a' + number % 26));
  return text + " end";
}

constexpr u64 kRecords = 8000;

// Some 4 MB in several files.
std::vector<Told> write_records(Rig& rig, os::Io& io, Framing framing) {
  std::vector<Told> told;
  std::minstd_rand random(7);
  Writer writer(io, rig.directory(),
                {.buffer_bytes = 4 << 20,
                 .shards = 1,
                 .flush_interval_ms = 5,
                 .framing = framing,
                 .rotate_bytes = 1 << 20,
                 .wait_ms = 10'000});
  EXPECT_TRUE(writer.started().ok()) << writer.started().message();
  for (u64 number = 0; number < kRecords; ++number) {
    EXPECT_EQ(writer.core().write(record_of(number)), Admission::kOk);
    if (random() % 100 == 0) {
      EXPECT_TRUE(writer.core().flush(10'000, false, false));
    }
    if (random() % 200 == 0) rig.commit();
    if (random() % 400 == 0 && writer.core().flush(10'000, true, false)) {
      told.push_back({rig.now(), number + 1});
    }
  }
  EXPECT_TRUE(writer.core().close(10'000).ok());
  told.push_back({rig.now(), kRecords});
  return told;
}

// Of any bytes; of lines the rest without a newline too.
std::vector<std::string> records_in(std::string_view bytes) {
  const auto source = memory_source(as_bytes(bytes));
  if (stream::looks_like_blocks(*source)) return test::records_of_blocks(bytes);
  std::vector<std::string> lines;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    lines.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return lines;
}

// What is wrong after the next writer has started.
struct Seen {
  u64 lost = 0;   // that were told to be durable
  u64 wrong = 0;  // served, and never written so, or not in their order
  std::string first;

  void note(u64& what, u64 point, const std::string& text) {
    if (++what == 1 && first.empty()) first = "at point " + std::to_string(point) + ": " + text;
  }
};

// The kernel was started again since the sums of a file were begun.
void start_kernel_again(const std::string& sums) {
  os::Io& io = os::real_io();
  const int fd = io.open(sums.c_str(), os::kRead | os::kWrite);
  if (fd < 0) return;
  stream::SumsHead head;
  if (os::pread_all(io, fd, &head, sizeof head, 0) == sizeof head &&
      head.magic == stream::SumsHead::kMagic) {
    head.boot[0] = 'x';
    head.check = crc32c(&head, offsetof(stream::SumsHead, check));
    EXPECT_EQ(os::pwrite_all(io, fd, &head, sizeof head, 0), i64(sizeof head));
  }
  io.close(fd);
}

void look(u64 point, const std::string& directory, const std::vector<Told>& told, Seen& seen) {
  Writer next(os::real_io(), directory, {.shards = 1});
  if (!next.started().ok()) return seen.note(seen.wrong, point, next.started().message());
  EXPECT_TRUE(next.core().close(10'000).ok());
  const auto files =
      stream::list_finished(os::real_io(), next.directory(), {}, os::wall_ns()).value();
  u64 number = 0;
  for (const stream::FinishedFile& file : files) {
    const std::string bytes = test::read_file(directory + "/" + file.name);
    for (const std::string& record : records_in(bytes)) {
      if (record == record_of(number)) {
        ++number;
      } else {
        seen.note(seen.wrong, point,
                  "instead of " + std::to_string(number) + ": " + record.substr(0, 60));
      }
    }
  }
  const u64 durable = durable_at(told, point);
  if (number < durable) {
    seen.note(seen.lost, point, std::to_string(number) + " of " + std::to_string(durable));
  }
}

class StreamsPower : public ::testing::TestWithParam<Framing> {};
INSTANTIATE_TEST_SUITE_P(, StreamsPower, ::testing::Values(Framing::lines, Framing::blocks),
                         [](const auto& framing) {
                           return framing.param == Framing::lines ? "Lines" : "Blocks";
                         });

Seen looked_at(Rig& rig, os::Io& io, Framing framing, u32 count, bool with_sums = true) {
  Seen seen;
  const std::vector<Told> told = write_records(rig, io, framing);
  EXPECT_GT(told.size(), 5u);
  rig.each_point(count, [&](u64 point, const std::string& directory) {
    const std::string sums = directory + "/" + stream::sums_name("s");
    if (with_sums) {
      start_kernel_again(sums);
    } else {
      std::filesystem::remove(sums);
    }
    look(point, directory, told, seen);
  });
  return seen;
}

TEST_P(StreamsPower, WhatIsDurableIsThereAndNothingElseIsServed) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  const Seen seen = looked_at(rig, os::real_io(), GetParam(), points(40, 1000));
  EXPECT_EQ(seen.lost, 0u) << seen.first;
  EXPECT_EQ(seen.wrong, 0u) << seen.first;
}

// The wrong program: the checks above see what it does.
TEST_P(StreamsPower, AWriterThatDoesNotSyncIsCaught) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  testing::FaultIo io(os::real_io());
  io.fail({.op = testing::Op::kSyncData, .error = 0, .for_good = true});
  io.fail({.op = testing::Op::kSyncDirectory, .error = 0, .for_good = true});
  EXPECT_GT(looked_at(rig, io, GetParam(), points(20, 200)).lost, 0u);
}

// Where the file system writes sizes before contents, a loss of power leaves bytes of other files.
constexpr RigOptions kStaleBytes{.mount = "data=writeback,nodelalloc"};

TEST(StreamPower, LinesAreServedRightWhereStaleBytesAreLeft) {
  Rig rig(kStaleBytes);
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  const Seen seen = looked_at(rig, os::real_io(), Framing::lines, points(20, 1000));
  EXPECT_EQ(seen.lost, 0u) << seen.first;
  EXPECT_EQ(seen.wrong, 0u) << seen.first;
}

// Without checksums nobody can tell what was written from what a loss of power left.
TEST(StreamPower, LinesWithoutSumsAreServedWrong) {
  Rig rig(kStaleBytes);
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  const Seen seen = looked_at(rig, os::real_io(), Framing::lines, points(20, 200), false);
  EXPECT_EQ(seen.lost, 0u) << seen.first;
  EXPECT_GT(seen.wrong, 0u);
}

}  // namespace
}  // namespace sluice::power_loss
