// Streams as a program uses them: whatever is accepted is in the files, once, whole, in the order
// of its thread; whatever is not is counted.
#include "sluice/stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "stream/stream_files.h"

namespace sluice::test {
namespace {

struct Tally {
  std::map<int, std::vector<int>> accepted;
  std::uint64_t attempts = 0;
  std::uint64_t dropped = 0;
  std::uint64_t accepted_total = 0;
};

// `writers` threads write until `enough(attempts of this writer, result)` says so.
template <class Enough>
Tally write_from(Stream& stream, int writers, std::size_t bytes, const Enough& enough) {
  std::vector<Tally> each(static_cast<std::size_t>(writers));
  std::vector<std::thread> threads;
  for (int writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] {
      Tally& mine = each[static_cast<std::size_t>(writer)];
      const std::string filler(bytes, 'x');
      for (int number = 0;; ++number) {
        const Admission result =
            stream.write(std::to_string(writer) + " " + std::to_string(number) + " " + filler);
        ++mine.attempts;
        if (result == Admission::kOk) {
          mine.accepted[writer].push_back(number);
          ++mine.accepted_total;
        } else {
          ++mine.dropped;
        }
        if (enough(number + 1, result)) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Tally all;
  for (const Tally& one : each) {
    all.attempts += one.attempts;
    all.dropped += one.dropped;
    all.accepted_total += one.accepted_total;
    all.accepted.insert(one.accepted.begin(), one.accepted.end());
  }
  return all;
}

void expect_conserved(const OwnDirectory& directory, const Stream& stream, const Tally& tally) {
  EXPECT_EQ(numbers_by_writer(records_of_stream(directory.path(), "s")), tally.accepted);
  const StreamStatistics told = stream.statistics();
  EXPECT_EQ(told.accepted, tally.accepted_total);
  EXPECT_EQ(told.dropped(), tally.dropped);
  EXPECT_EQ(told.accepted + told.dropped(), tally.attempts);
  EXPECT_EQ(told.lost, 0u);
}

TEST(Stream, ARecordIsALine) {
  const OwnDirectory directory;
  auto opened = Stream::open(directory.path(), "s");
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Stream& stream = opened.value();
  EXPECT_EQ(stream.write("one"), Admission::kOk);
  EXPECT_EQ(stream.write(""), Admission::kOk);
  EXPECT_EQ(stream.write("with its newline\n"), Admission::kOk);
  EXPECT_EQ(stream.write("a\nb\n\nc"), Admission::kOk);
  EXPECT_EQ(stream.write("\n"), Admission::kOk);
  ASSERT_TRUE(stream.flush());
  const std::string expected = "one\n\nwith its newline\na\\nb\\n\\nc\n\n";
  EXPECT_EQ(read_file(stream.path()), expected);
  const Status closed = stream.close();
  EXPECT_TRUE(closed.ok()) << closed.message();
  EXPECT_FALSE(std::filesystem::exists(stream.path()));
  const auto files = finished_files(directory.path(), "s");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(read_file(files[0]), expected);
  EXPECT_EQ(stream.write("late"), Admission::kStopped);
  EXPECT_EQ(stream.statistics().accepted, 5u);
  EXPECT_EQ(stream.statistics().dropped_stopped, 1u);
  EXPECT_EQ(stream.statistics().bytes_written, expected.size());
}

TEST(Stream, NothingWrittenLeavesNoFile) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s");
  ASSERT_TRUE(stream.ok());
  EXPECT_TRUE(stream.value().close().ok());
  EXPECT_TRUE(finished_files(directory.path(), "s").empty());
}

class StreamFraming : public ::testing::TestWithParam<Framing> {};
INSTANTIATE_TEST_SUITE_P(, StreamFraming, ::testing::Values(Framing::lines, Framing::blocks),
                         [](const auto& framing) {
                           return framing.param == Framing::lines ? "Lines" : "Blocks";
                         });

TEST_P(StreamFraming, ARecordWithANewlineWithinIsRefusedWhereThatIsWanted) {
  const OwnDirectory directory;
  auto opened = Stream::open(directory.path(), "orders",
                             {.framing = GetParam(), .inner_newline = InnerNewline::refuse});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Stream& stream = opened.value();
  const bool lines = GetParam() == Framing::lines;
  const Admission refused = lines ? Admission::kFiltered : Admission::kOk;
  EXPECT_EQ(stream.write("one"), Admission::kOk);
  EXPECT_EQ(stream.write("with its newline\n"), Admission::kOk);
  EXPECT_EQ(stream.write("a\nb"), refused);
  EXPECT_EQ(stream.write("\nb"), refused);
  EXPECT_EQ(stream.write("two at its end\n\n"), refused);
  EXPECT_TRUE(stream.close().ok());
  const StreamStatistics told = stream.statistics();
  EXPECT_EQ(told.accepted, lines ? 2u : 5u);
  EXPECT_EQ(told.dropped_refused, lines ? 3u : 0u);
  EXPECT_EQ(told.accepted + told.dropped(), 5u);
  const auto records = records_of_stream(directory.path(), "orders");
  ASSERT_EQ(records.size(), told.accepted);
  EXPECT_EQ(records[0], "one");
  EXPECT_EQ(records[1], lines ? "with its newline" : "with its newline\n");
}

TEST_P(StreamFraming, EightWritersAtFullSpeed) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s", {.framing = GetParam()});
  ASSERT_TRUE(stream.ok());
  const Tally tally =
      write_from(stream.value(), 8, 300, [](int count, Admission) { return count == 50'000; });
  const Status closed = stream.value().close(60'000);
  EXPECT_TRUE(closed.ok()) << closed.message();
  EXPECT_GT(tally.accepted_total, 0u);
  expect_conserved(directory, stream.value(), tally);
}

// The smallest pool there is, so that the chunks run out all the time.
TEST_P(StreamFraming, EightWritersWithoutRoomDropAndCount) {
  const OwnDirectory directory;
  auto stream = Stream::open(
      directory.path(), "s",
      {.buffer_bytes = 128 << 10, .shards = 2, .framing = GetParam(), .pool_bytes = 1 << 20});
  ASSERT_TRUE(stream.ok());
  const Tally tally =
      write_from(stream.value(), 8, 300, [](int count, Admission) { return count == 50'000; });
  EXPECT_TRUE(stream.value().close(60'000).ok());
  EXPECT_GT(tally.dropped, 0u);
  expect_conserved(directory, stream.value(), tally);
}

TEST(Stream, WritersThatWaitDropNothing) {
  const OwnDirectory directory;
  auto stream = Stream::open(
      directory.path(), "s",
      {.buffer_bytes = 128 << 10, .shards = 2, .wait_ms = 60'000, .pool_bytes = 1 << 20});
  ASSERT_TRUE(stream.ok());
  const Tally tally =
      write_from(stream.value(), 4, 300, [](int count, Admission) { return count == 20'000; });
  EXPECT_TRUE(stream.value().close(60'000).ok());
  EXPECT_EQ(tally.dropped, 0u);
  expect_conserved(directory, stream.value(), tally);
}

TEST(Stream, EightWritersWhileItIsClosed) {
  for (int round = 0; round < 6; ++round) {
    const OwnDirectory directory;
    auto stream = Stream::open(directory.path(), "s", {.shards = round % 2 == 0 ? 8u : 1u});
    ASSERT_TRUE(stream.ok());
    std::atomic<int> begun{0};
    std::thread closer([&] {
      while (begun.load() < 8) std::this_thread::yield();
      EXPECT_TRUE(stream.value().close(60'000).ok());
    });
    const Tally tally = write_from(stream.value(), 8, 100, [&](int count, Admission result) {
      if (count == 100) ++begun;
      return result == Admission::kStopped;
    });
    closer.join();
    EXPECT_GE(tally.accepted_total, 800u);
    expect_conserved(directory, stream.value(), tally);
  }
}

TEST_P(StreamFraming, RotationKeepsToTheSizeAndLosesNothing) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s",
                             {.framing = GetParam(),
                              .rotate_bytes = 1 << 20,
                              .preallocate_bytes = 1 << 20,
                              .wait_ms = 60'000});
  ASSERT_TRUE(stream.ok());
  const Tally tally =
      write_from(stream.value(), 4, 300, [](int count, Admission) { return count == 10'000; });
  EXPECT_TRUE(stream.value().close(60'000).ok());
  expect_conserved(directory, stream.value(), tally);
  const auto files = finished_files(directory.path(), "s");
  EXPECT_GE(files.size(), 12u);
  EXPECT_EQ(stream.value().statistics().files, files.size());
  for (const std::string& file : files) {
    EXPECT_LE(std::filesystem::file_size(file), 1u << 20) << file;
  }
}

TEST(Stream, RotationByHandBeginsAnotherFile) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s");
  ASSERT_TRUE(stream.ok());
  for (const char* text : {"first", "second"}) {
    EXPECT_EQ(stream.value().write(text), Admission::kOk);
    EXPECT_TRUE(stream.value().rotate());
  }
  EXPECT_TRUE(stream.value().close().ok());
  const auto files = finished_files(directory.path(), "s");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(read_file(files[0]), "first\n");
  EXPECT_EQ(read_file(files[1]), "second\n");
}

TEST(Stream, ABlockHoldsAnyBytes) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s", {.shards = 1, .framing = Framing::blocks});
  ASSERT_TRUE(stream.ok());
  const std::vector<std::string> records = {"", std::string("\0\n", 2), "with its newline\n",
                                            std::string(stream.value().record_bytes_max(), 'l')};
  for (const std::string& record : records) {
    EXPECT_EQ(stream.value().write(record), Admission::kOk);
  }
  EXPECT_EQ(stream.value().write(records.back() + "x"), Admission::kDroppedTooBig);
  const Status closed = stream.value().close(60'000);
  EXPECT_TRUE(closed.ok()) << closed.message();
  EXPECT_EQ(records_of_stream(directory.path(), "s"), records);
}

TEST_P(StreamFraming, AFileIsFinishedByItsNumberOfRecords) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s", {.framing = GetParam(), .rotate_records = 10});
  ASSERT_TRUE(stream.ok());
  for (int number = 0; number < 35; ++number) {
    ASSERT_EQ(stream.value().write("0 " + std::to_string(number) + " x"), Admission::kOk);
    ASSERT_TRUE(stream.value().flush());
  }
  EXPECT_TRUE(stream.value().close().ok());
  const auto files = finished_files(directory.path(), "s");
  ASSERT_EQ(files.size(), 4u);
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(stored_records(read_file(files[i])).size(), i < 3 ? 10u : 5u);
  }
}

TEST_P(StreamFraming, AFileIsFinishedByItsAge) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s",
                             {.flush_interval_ms = 1, .framing = GetParam(), .rotate_seconds = 1});
  ASSERT_TRUE(stream.ok());
  ASSERT_EQ(stream.value().write("one"), Admission::kOk);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (stream.value().statistics().files == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    std::this_thread::yield();
  }
  EXPECT_EQ(records_of_stream(directory.path(), "s"), std::vector<std::string>{"one"});
  EXPECT_TRUE(stream.value().close().ok());
  EXPECT_EQ(finished_files(directory.path(), "s").size(), 1u);
}

// The next writer may choose the other framing.
TEST_P(StreamFraming, WhatAKilledWriterLeftIsReadAsItWasWritten) {
  const OwnDirectory directory;
  std::string left;
  {
    auto stream = Stream::open(directory.path(), "s", {.framing = GetParam()});
    ASSERT_TRUE(stream.ok());
    ASSERT_EQ(stream.value().write("one"), Admission::kOk);
    ASSERT_TRUE(stream.value().flush());
    left = read_file(stream.value().path());
  }
  for (const auto& file : finished_files(directory.path(), "s")) std::filesystem::remove(file);
  std::ofstream(directory.path() + "/s.log", std::ios::binary) << left << std::string(100, 't');
  const Framing other = GetParam() == Framing::lines ? Framing::blocks : Framing::lines;
  auto next = Stream::open(directory.path(), "s", {.framing = other, .quiet = true});
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_TRUE(next.value().close().ok());
  EXPECT_EQ(records_of_stream(directory.path(), "s"), std::vector<std::string>{"one"});
}

TEST(Stream, ARecordLongerThanAFileMayBeHasOneForItself) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s", {.rotate_bytes = 1000});
  ASSERT_TRUE(stream.ok());
  const std::string longer(5000, 'l');
  for (const std::string& record : {std::string("a"), longer, std::string("b")}) {
    EXPECT_EQ(stream.value().write(record), Admission::kOk);
  }
  EXPECT_TRUE(stream.value().close().ok());
  EXPECT_EQ(finished_files(directory.path(), "s").size(), 3u);
  EXPECT_EQ(records_of_stream(directory.path(), "s"), (std::vector<std::string>{"a", longer, "b"}));
}

TEST(Stream, TheLongestRecordAndOneByteMore) {
  const OwnDirectory directory;
  for (const std::uint64_t pool : {std::uint64_t{1} << 20, std::uint64_t{64} << 20}) {
    auto stream = Stream::open(directory.path(), "s", {.wait_ms = 10'000, .pool_bytes = pool});
    ASSERT_TRUE(stream.ok());
    const std::size_t most = stream.value().record_bytes_max();
    EXPECT_EQ(most, (pool == 1 << 20 ? 64u << 10 : 8u << 20) - 1);
    std::string record(most, 'r');
    EXPECT_EQ(stream.value().write(record), Admission::kOk);
    record.back() = '\n';
    EXPECT_EQ(stream.value().write(record), Admission::kOk);
    record[0] = '\n';  // written as two bytes
    EXPECT_EQ(stream.value().write(record), Admission::kOk);
    record.back() = 'r';
    EXPECT_EQ(stream.value().write(record), Admission::kDroppedTooBig);
    EXPECT_EQ(stream.value().write(std::string(most + 1, 'r')), Admission::kDroppedTooBig);
    EXPECT_TRUE(stream.value().close(60'000).ok());
    EXPECT_EQ(stream.value().statistics().dropped_too_big, 2u);
    EXPECT_EQ(stream.value().statistics().accepted, 3u);
  }
  EXPECT_EQ(records_of_stream(directory.path(), "s").size(), 6u);
}

// Every lane keeps a chunk, and the record needs one more.
TEST(Stream, TheLongestRecordFitsIntoFewBytes) {
  for (const std::uint64_t bytes : {64u << 10, 1u << 20, 3u << 20, 8u << 20}) {
    const OwnDirectory directory;
    auto stream = Stream::open(directory.path(), "s", {.buffer_bytes = bytes, .wait_ms = 5'000});
    ASSERT_TRUE(stream.ok());
    const std::string record(stream.value().record_bytes_max(), 'r');
    EXPECT_EQ(stream.value().write(record), Admission::kOk) << bytes;
    EXPECT_TRUE(stream.value().close(60'000).ok());
  }
}

TEST(Stream, AFewRecordsReachTheFileByTheInterval) {
  const OwnDirectory directory;
  auto stream = Stream::open(directory.path(), "s", {.flush_interval_ms = 50});
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ(stream.value().write("by itself"), Admission::kOk);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (stream.value().statistics().bytes_written == 0) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
    std::this_thread::yield();
  }
  EXPECT_EQ(read_file(stream.value().path()), "by itself\n");
}

TEST(Stream, OneWriterAtATime) {
  const OwnDirectory directory;
  auto first = Stream::open(directory.path(), "s");
  ASSERT_TRUE(first.ok());
  const auto second = Stream::open(directory.path(), "s");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().error_class(), ErrorClass::kRetryable);
  EXPECT_TRUE(Stream::open(directory.path(), "other").ok());
  EXPECT_TRUE(first.value().close().ok());
  EXPECT_TRUE(Stream::open(directory.path(), "s").ok());
}

TEST(Stream, MistakesInTheOptionsAreAllSaid) {
  const auto stream = Stream::open("/tmp", "s", {.shards = 0, .batch_percent = 101});
  ASSERT_FALSE(stream.ok());
  EXPECT_NE(stream.status().message().find("shards"), std::string::npos);
  EXPECT_NE(stream.status().message().find("batch_percent"), std::string::npos);
}

}  // namespace
}  // namespace sluice::test
