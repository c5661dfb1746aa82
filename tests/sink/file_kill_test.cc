// sanitizers: address (one thread, in which ThreadSanitizer has nothing to find)
//
// A file sink that is killed at every system call, with every part of every write done: the file
// holds each record exactly once, whoever else has written to it meanwhile.
#include <gtest/gtest.h>

#include "sink/file_fixture.h"
#include "support/kill_io.h"

namespace sluice::testing {
namespace {

// Runs a writer until it is killed at call `kill_at`; false when it was not.
bool run_and_kill(Writer& writer, KillIo& io) {
  try {
    EXPECT_TRUE(writer.start(io).ok());
    EXPECT_TRUE(writer.write().ok());
  } catch (const Killed&) {
    writer.stop();
    return true;
  }
  writer.stop();
  return false;
}

void recover(Writer& writer) {
  Status status = writer.start(os::real_io());
  ASSERT_TRUE(status.ok()) << status.message();
  status = writer.write();
  ASSERT_TRUE(status.ok()) << status.message();
  writer.stop();
}

// Calls each(kill_at, partial) for every call of a run and every `step`th part of its writes, until
// it says that the run came to its end.
template <class Each>
u64 for_every_kill(u64 step, Each&& each) {
  u64 points = 0;
  for (u64 kill_at = 1;; ++kill_at) {
    u64 bytes = 0;
    for (u64 partial = 0; partial <= bytes; partial += step) {
      ++points;
      if (!each(kill_at, partial, bytes) || ::testing::Test::HasFailure()) return points;
    }
  }
}

class FileKillTest : public ::testing::Test {
 protected:
  Directory directory_;
  const std::string log_ = directory_ / "app.log";
};

TEST_F(FileKillTest, EveryCallAndEveryPartOfEveryWrite) {
  const u64 points = for_every_kill(1, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    recover(writer);
    EXPECT_EQ(find_fault(read_file(log_), {&writer}), "") << kill_at << " + " << partial;
    writer.expect_exact_counters();
    return killed;
  });
  EXPECT_GT(points, 500u);
}

TEST_F(FileKillTest, EveryCallOfTheRecoveryToo) {
  for_every_kill(37, [&](u64 kill_at, u64 partial, u64& bytes) {
    bool killed = false;
    for_every_kill(41, [&](u64 second, u64 second_partial, u64& second_bytes) {
      directory_.clear();
      Writer writer({.log = log_, .batches = 2});
      KillIo io(os::real_io(), kill_at, partial);
      killed = run_and_kill(writer, io);
      bytes = std::min<u64>(io.fatal_bytes(), 400);
      KillIo again(os::real_io(), second, second_partial);
      const bool killed_again = run_and_kill(writer, again);
      second_bytes = std::min<u64>(again.fatal_bytes(), 400);
      recover(writer);
      EXPECT_EQ(find_fault(read_file(log_), {&writer}), "") << kill_at << ", then " << second;
      writer.expect_exact_counters();
      return killed_again;
    });
    return killed;
  });
}

// The other process finds the torn line, cuts it, and appends; both files' worth of lines are
// there.
TEST_F(FileKillTest, AnotherProcessWritesBetweenKillAndRecovery) {
  for_every_kill(3, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer dead({.name = "a", .log = log_});
    Writer other({.name = "b", .log = log_});
    EXPECT_TRUE(other.start(os::real_io()).ok());
    EXPECT_TRUE(other.write(1).ok());
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(dead, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    EXPECT_TRUE(other.write(2).ok());
    recover(dead);
    EXPECT_TRUE(other.write().ok());
    EXPECT_EQ(find_fault(read_file(log_), {&dead, &other}), "") << kill_at << " + " << partial;
    dead.expect_exact_counters();
    other.expect_exact_counters();
    return killed;
  });
}

// Lines that cannot be told apart: only the notes of the lock file tell whose they are.
TEST_F(FileKillTest, EqualLinesOfOthersAreNotTakenForItsOwn) {
  for_every_kill(1, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer dead({.log = log_, .batches = 2, .same_text = true});
    Writer other({.log = log_, .batches = 2, .same_text = true});
    EXPECT_TRUE(other.start(os::real_io()).ok());
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(dead, io);
    bytes = io.fatal_bytes() > 15 ? 0 : io.fatal_bytes();
    EXPECT_TRUE(other.write().ok());
    recover(dead);
    const std::vector<std::string> lines = lines_of(read_file(log_));
    EXPECT_EQ(lines, std::vector<std::string>(12, "same")) << kill_at << " + " << partial;
    return killed;
  });
}

TEST_F(FileKillTest, ALostLockFileIsMadeUpForByComparing) {
  for_every_kill(5, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer dead({.name = "a", .log = log_});
    Writer other({.name = "b", .log = log_});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(dead, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    std::filesystem::remove(sink::FileName(log_).lock_path());
    recover(dead);
    recover(other);
    EXPECT_EQ(find_fault(read_file(log_), {&dead, &other}), "") << kill_at << " + " << partial;
    return killed;
  });
}

// Whatever the form of the lines.
TEST_F(FileKillTest, LogfmtAndBothSchemasOfJson) {
  struct Form {
    SinkKind kind;
    JsonSchema schema;
  };
  for (const Form form :
       {Form{SinkKind::logfmt, JsonSchema::sluice}, Form{SinkKind::json_lines, JsonSchema::otel},
        Form{SinkKind::json_lines, JsonSchema::ecs}}) {
    const auto use = [form](Writer& writer) {
      writer.config().kind = form.kind;
      writer.config().schema = form.schema;
    };
    std::string expected;
    for_every_kill(97, [&](u64 kill_at, u64 partial, u64& bytes) {
      directory_.clear();
      Writer writer({.log = log_, .batches = 2});
      use(writer);
      KillIo io(os::real_io(), kill_at, partial);
      const bool killed = run_and_kill(writer, io);
      bytes = io.fatal_bytes();
      recover(writer);
      if (expected.empty()) {
        Writer whole({.log = directory_ / "whole.log", .batches = 2});
        use(whole);
        recover(whole);
        expected = read_file(directory_ / "whole.log");
        EXPECT_EQ(lines_of(expected).size(), 6u);
      }
      EXPECT_EQ(read_file(log_), expected) << kill_at << " + " << partial;
      writer.expect_exact_counters();
      return killed;
    });
  }
}

TEST_F(FileKillTest, FilesThatRotateAtEverySecondLine) {
  for_every_kill(11, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_, .rotate_bytes = 30});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    recover(writer);
    EXPECT_EQ(find_fault(content_of(log_), {&writer}), "") << kill_at << " + " << partial;
    EXPECT_EQ(files_of(log_).size(), 5u);  // two lines each
    writer.expect_exact_counters();
    return killed;
  });
}

// A file that somebody makes, under the number that was about to be given when the kill came, is
// not taken for the log's.
TEST_F(FileKillTest, RemovesOnlyTheFilesThatItMade) {
  u64 points = 0;
  for_every_kill(17, [&](u64 kill_at, u64 partial, u64& bytes) {
    ++points;
    directory_.clear();
    write_text(directory_ / "app.1.log", "a foreign one");
    Writer writer({.log = log_, .batches = 9, .records = 1, .rotate_bytes = 32, .keep_files = 1});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 100);
    u64 next = 2;
    while (std::filesystem::exists(sink::FileName(log_).rotated_path(next)) ||
           std::filesystem::exists(sink::FileName(log_).rotated_path(next + 1))) {
      ++next;
    }
    const std::string foreign = sink::FileName(log_).rotated_path(next);
    write_text(foreign, "a later foreign one");
    recover(writer);
    // Three more rotations, each of which removes what is too old.
    Writer other({.name = "b",
                  .log = log_,
                  .batches = 7,
                  .records = 1,
                  .rotate_bytes = 32,
                  .keep_files = 1});
    recover(other);
    EXPECT_EQ(read_file(directory_ / "app.1.log"), "a foreign one") << kill_at;
    EXPECT_EQ(read_file(foreign), "a later foreign one") << kill_at << " + " << partial;
    // Those that were made before the foreign one, at most two, are left.
    EXPECT_LE(files_of(log_).size(), 6u) << kill_at << " + " << partial;
    return killed;
  });
  EXPECT_GT(points, 100u);
}

TEST_F(FileKillTest, AnExternalRotationBetweenKillAndRecovery) {
  for_every_kill(7, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    const std::string moved = directory_ / "app.1.log";
    if (std::filesystem::exists(log_)) std::filesystem::rename(log_, moved);
    recover(writer);
    const std::string both = read_file(moved) + read_file(log_);
    EXPECT_EQ(find_fault(both, {&writer}), "") << kill_at << " + " << partial;
    return killed;
  });
}

// Nothing tells that such a file is the log's: it stays as it is, and the group is written again.
TEST_F(FileKillTest, AMoveToANameOfItsOwnRepeatsAGroupAndLosesNothing) {
  u64 repeated = 0;
  for_every_kill(7, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    const std::string moved = directory_ / "app.log-2025";
    if (std::filesystem::exists(log_)) std::filesystem::rename(log_, moved);
    const std::string before = read_file(moved);
    EXPECT_TRUE(writer.start(os::real_io()).ok());
    (void)writer.write();  // may say what is written again
    EXPECT_TRUE(writer.write().ok());
    EXPECT_EQ(read_file(moved), before);
    const std::vector<std::string> expected = writer.expected();
    const std::vector<std::string> rest = lines_of(read_file(log_));
    const std::string whole = before.substr(0, before.rfind('\n') + 1);
    const std::size_t first = expected.size() - rest.size();
    EXPECT_LE(first, lines_of(whole).size()) << kill_at << " + " << partial;
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + std::ptrdiff_t(first)));
    repeated += lines_of(whole).size() - first;
    return killed;
  });
  EXPECT_GT(repeated, 0u);
}

TEST_F(FileKillTest, ARecordThatIsLongerThanTheIntentArea) {
  for_every_kill(49'999, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_, .long_record = 5});
    Writer other({.name = "b", .log = log_, .batches = 1});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = io.fatal_bytes();
    if (kill_at % 2 == 0) recover(other);
    recover(writer);
    recover(other);
    EXPECT_EQ(find_fault(read_file(log_), {&writer, &other}), "") << kill_at << " + " << partial;
    writer.expect_exact_counters();
    return killed;
  });
}

// Negative controls: sinks that do it wrong must be found out by the same oracle.

// Writes, then moves the cursor; keeps no intent.
class NoIntentSink final : public back::Sink {
 public:
  NoIntentSink(const back::SinkConfig& config, os::Io& io, bool cursor_first)
      : config_(config), io_(io), cursor_first_(cursor_first) {}
  Status open(const back::Catalog&, back::Cursor&) override { return {}; }
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override {
    std::string text;
    for (const BatchView& batch : batches) {
      batch.for_each(cursor.sequence(), [&](const BatchRecord& record) {
        EXPECT_TRUE(catalog.describe(batch, record));
        text += "a " + std::to_string(record.sequence) + " text of " +
                std::to_string(record.sequence * 7) + "\n";
        return true;
      });
    }
    const u64 next_sequence = batches.back().next_sequence();
    if (cursor_first_) cursor.passed(next_sequence, {});
    const int fd = io_.open(config_.path.c_str(), os::kRead | os::kWrite | os::kCreate);
    os::FileInfo info;
    io_.stat_fd(fd, info);
    os::pwrite_all(io_, fd, text.data(), text.size(), info.size);
    io_.close(fd);
    if (!cursor_first_) cursor.passed(next_sequence, {});
    return {};
  }
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

 private:
  const back::SinkConfig config_;
  os::Io& io_;
  const bool cursor_first_;
};

std::string faults_of_wrong_sink(const Directory& directory, bool cursor_first) {
  std::string faults;
  for_every_kill(5, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory.clear();
    Writer writer({.log = directory / "app.log"});
    writer.use([&](const back::SinkConfig& config, os::Io& io) {
      return std::make_unique<NoIntentSink>(config, io, cursor_first);
    });
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    recover(writer);
    faults += find_fault(read_file(directory / "app.log"), {&writer});
    return killed;
  });
  return faults;
}

TEST_F(FileKillTest, ControlOfASinkWithoutAnIntent) {
  EXPECT_NE(faults_of_wrong_sink(directory_, false), "");
}

TEST_F(FileKillTest, ControlOfACursorThatMovesFirst) {
  EXPECT_NE(faults_of_wrong_sink(directory_, true), "");
}

// An intent that is armed only after the write.
TEST_F(FileKillTest, ControlOfALostIntent) {
  std::string faults;
  for_every_kill(5, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer writer({.log = log_});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(writer, io);
    bytes = std::min<u64>(io.fatal_bytes(), 400);
    writer.entry().intent.next_sequence.store(0);
    recover(writer);
    faults += find_fault(read_file(log_), {&writer});
    return killed;
  });
  EXPECT_NE(faults, "");
}

// The double recovery must not depend on the notes alone, nor the oracle on lines being different.
TEST_F(FileKillTest, ControlOfEqualLinesWithoutNotes) {
  bool wrong = false;
  for_every_kill(1, [&](u64 kill_at, u64 partial, u64& bytes) {
    directory_.clear();
    Writer dead({.log = log_, .batches = 2, .same_text = true});
    Writer other({.log = log_, .batches = 2, .same_text = true});
    KillIo io(os::real_io(), kill_at, partial);
    const bool killed = run_and_kill(dead, io);
    bytes = io.fatal_bytes() > 15 ? 0 : io.fatal_bytes();
    std::filesystem::remove(sink::FileName(log_).lock_path());
    recover(other);
    recover(dead);
    wrong = wrong || lines_of(read_file(log_)).size() != 12;
    return killed;
  });
  EXPECT_TRUE(wrong);
}

}  // namespace
}  // namespace sluice::testing
