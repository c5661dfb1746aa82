// sanitizers: address (one thread)
#include "upload/upload_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/fault_io.h"
#include "support/memory_io.h"
#include "support/read_file.h"

namespace sluice::test {
namespace {

using testing::FaultIo;
using testing::MemoryIo;
using testing::Op;
using upload::LocalFile;
using upload::UploadLog;

LocalFile file(const std::string& name) { return {name, {1, 2, 3}, 4, 5, 6}; }

struct Place : ::testing::Test {
  Place() { io.make_directory("/d"); }

  std::unique_ptr<UploadLog> open() {
    auto log = UploadLog::open(io, "/d");
    EXPECT_TRUE(log.ok()) << log.status().message();
    return log.ok() ? std::move(log.value()) : nullptr;
  }
  [[nodiscard]] std::string text() {
    std::string all;
    for (const std::byte byte : io.bytes("/d/.upload")) all += char(byte);
    return all;
  }
  void put(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    io.put("/d/.upload", {bytes.begin(), bytes.end()});
  }

  MemoryIo io;
};

TEST_F(Place, RemembersOverARestart) {
  {
    auto log = open();
    EXPECT_TRUE(log->begin("gs://b/a name\n", file("a name\n")).ok());
    EXPECT_TRUE(log->keep_memo("gs://b/a name\n", "https://x/?y=%20 z\t").ok());
    EXPECT_TRUE(log->begin("gs://b/done", file("done")).ok());
    EXPECT_TRUE(log->keep_memo("gs://b/done", "m").ok());
    EXPECT_TRUE(log->done("gs://b/done").ok());
    EXPECT_TRUE(log->begin("gs://b/packed", file("packed"), {{77, 88}}).ok());
    EXPECT_TRUE(log->begin("gs://b/gone", file("gone")).ok());
    EXPECT_TRUE(log->forget("gs://b/gone").ok());
  }
  auto log = open();
  EXPECT_EQ(log->entries().size(), 3u);
  const auto named = log->find("gs://b/a name\n");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->file, file("a name\n"));
  EXPECT_EQ(named->memo, "https://x/?y=%20 z\t");
  EXPECT_FALSE(named->done);
  EXPECT_EQ(named->bytes, (upload::SentBytes{4, 6})) << "the file's own";
  const auto packed = log->find("gs://b/packed");
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->file, file("packed"));
  EXPECT_EQ(packed->bytes, (upload::SentBytes{77, 88}));
  const auto done = log->find("gs://b/done");
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->done);
  EXPECT_EQ(done->memo, "");
  EXPECT_FALSE(log->find("gs://b/gone"));
  EXPECT_EQ(log->damaged_lines(), 0u);
}

TEST_F(Place, AnotherBeginOfAnObjectForgetsTheFirst) {
  auto log = open();
  EXPECT_TRUE(log->begin("o", file("a")).ok());
  EXPECT_TRUE(log->keep_memo("o", "m").ok());
  EXPECT_TRUE(log->begin("o", file("b")).ok());
  log.reset();
  log = open();
  EXPECT_EQ(log->find("o")->memo, "");
  EXPECT_EQ(log->find("o")->file.name, "b");
}

// At every byte of it: what stood before is there, and what comes after the cut is read again.
TEST_F(Place, ATornTailIsCut) {
  {
    auto log = open();
    EXPECT_TRUE(log->begin("first", file("first")).ok());
  }
  const std::size_t whole = text().size();
  {
    auto log = open();
    EXPECT_TRUE(log->begin("second", file("second")).ok());
  }
  const std::string all = text();
  for (std::size_t size = whole; size < all.size(); ++size) {
    put(all.substr(0, size));
    {
      auto log = open();
      EXPECT_TRUE(log->find("first"));
      EXPECT_FALSE(log->find("second")) << size;
      EXPECT_EQ(text().size(), whole);
      EXPECT_TRUE(log->begin("third", file("third")).ok());
    }
    EXPECT_TRUE(open()->find("third"));
  }
}

// Every bit of every line: damage is noticed, and costs that line only.
TEST_F(Place, AFlippedBitCostsOneLine) {
  {
    auto log = open();
    for (const char* object : {"a", "b", "c"}) EXPECT_TRUE(log->begin(object, file(object)).ok());
  }
  const std::string all = text();
  for (std::size_t bit = 0; bit < 8 * all.size(); ++bit) {
    std::string spoiled = all;
    spoiled[bit / 8] = char(spoiled[bit / 8] ^ (1 << bit % 8));
    put(spoiled);
    auto log = open();
    ASSERT_TRUE(log);
    std::size_t right = 0;
    for (const auto& [object, entry] : log->entries()) {
      EXPECT_EQ(entry.file, file(object));
      ++right;
    }
    // A newline that goes takes two lines with it; the head is no entry.
    EXPECT_GE(right, 1u) << bit;
    EXPECT_TRUE(log->damaged_lines() > 0 || text().size() < all.size()) << bit;
  }
}

TEST_F(Place, ALaterVersionIsRefused) {
  put("90aabddc sluice-upload-log 2\n");
  const auto log = UploadLog::open(io, "/d");
  ASSERT_FALSE(log.ok());
  EXPECT_NE(log.status().message().find("later version"), std::string::npos);
}

// The example in the format's document, up to each of its lines.
TEST_F(Place, TheDocumentsExampleIsRead) {
  const std::string document = read_file(SLUICE_SOURCE_DIR "/docs/formats/upload_log.md");
  const std::size_t begin = document.find("\n```\n") + 5;
  const std::string example = document.substr(begin, document.find("```", begin) - begin);
  const std::string object = "gs://b/logs/pay_2026-01-02_18-55-02_1.log";
  std::string so_far;
  std::vector<std::string> states;
  for (std::size_t at = 0; at < example.size();) {
    const std::size_t end = example.find('\n', at) + 1;
    so_far += example.substr(at, end - at);
    at = end;
    put(so_far);
    auto log = open();
    EXPECT_EQ(log->damaged_lines(), 0u) << so_far;
    const auto entry = log->find(object);
    states.push_back(!entry ? "none" : entry->done ? "done" : entry->memo);
    EXPECT_EQ(entry ? entry->file.size : 5'242'880, 5'242'880u);
  }
  EXPECT_EQ(states, (std::vector<std::string>{"none", "", "https://storage.example/upload?id=4%b x",
                                              "done", "none"}));
}

TEST_F(Place, LinesOfNoKindAreSkipped) {
  put("\n\n\n00000000 begin a b\nnonsense\n" + std::string(300, 'x') + "\n");
  auto log = open();
  EXPECT_EQ(log->entries().size(), 0u);
  EXPECT_EQ(log->damaged_lines(), 6u);
}

TEST_F(Place, OneUploaderADirectory) {
  auto log = open();
  const auto second = UploadLog::open(io, "/d");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().error_class(), ErrorClass::kRetryable);
  log.reset();
  EXPECT_TRUE(UploadLog::open(io, "/d").ok());
}

TEST_F(Place, NoDirectory) {
  EXPECT_FALSE(UploadLog::open(io, "/nowhere").ok());
  EXPECT_TRUE(UploadLog::peek(io, "/nowhere").empty());
}

// Thousands of files come and go: the log does not grow with them.
TEST_F(Place, IsWrittenAnewWhenMostIsHistory) {
  auto log = open();
  EXPECT_TRUE(log->begin("stays", file("stays"), {{77, 88}}).ok());
  EXPECT_TRUE(log->keep_memo("stays", "memo").ok());
  EXPECT_TRUE(log->begin("kept", file("kept")).ok());
  EXPECT_TRUE(log->done("kept").ok());
  std::size_t longest = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string object = std::to_string(i);
    ASSERT_TRUE(log->begin(object, file(object)).ok());
    ASSERT_TRUE(log->done(object).ok());
    ASSERT_TRUE(log->forget(object).ok());
    longest = std::max(longest, io.bytes("/d/.upload").size());
  }
  EXPECT_LT(longest, 80'000u);
  log.reset();
  log = open();
  EXPECT_EQ(log->entries().size(), 2u);
  EXPECT_EQ(log->find("stays")->memo, "memo");
  EXPECT_EQ(log->find("stays")->bytes, (upload::SentBytes{77, 88}));
  EXPECT_TRUE(log->find("kept")->done);
}

// Its directory may be removed, or made anew, with other files in it.
TEST_F(Place, NoticesThatItIsNotThereAnyMore) {
  auto log = open();
  EXPECT_TRUE(log->check().ok());
  EXPECT_EQ(io.rename("/d/.upload", "/d/.elsewhere"), 0);
  EXPECT_FALSE(log->check().ok());
  put("");
  EXPECT_FALSE(log->check().ok()) << "another file of that name";
  EXPECT_EQ(io.rename("/d/.elsewhere", "/d/.upload"), 0);
  EXPECT_TRUE(log->check().ok());
}

TEST_F(Place, WhereThatFailsTheOldOneIsAsTrue) {
  FaultIo faulty(io);
  faulty.fail({.op = Op::kRename, .call = 1, .error = ENOSPC, .for_good = true});
  auto log = UploadLog::open(faulty, "/d");
  ASSERT_TRUE(log.ok());
  EXPECT_TRUE(log.value()->begin("stays", file("stays")).ok());
  for (int i = 0; i < 600; ++i) {
    const std::string object = std::to_string(i);
    ASSERT_TRUE(log.value()->begin(object, file(object)).ok());
    ASSERT_TRUE(log.value()->forget(object).ok());
  }
  EXPECT_GT(faulty.count(Op::kRename), 0u);
  log.value().reset();
  EXPECT_EQ(open()->entries().size(), 1u);
}

// A call that fails is an error, and the log is as true as before.
TEST_F(Place, AFailureOfAnyCallIsSaidAndSpoilsNothing) {
  FaultIo counting(io);
  const auto session = [](os::Io& through) {
    auto log = UploadLog::open(through, "/d");
    if (!log.ok()) return false;
    bool good = log.value()->begin("o", file("f")).ok();
    good = good && log.value()->keep_memo("o", "memo").ok();
    return good && log.value()->done("o").ok();
  };
  EXPECT_TRUE(session(counting));
  for (u64 call = 1; call <= counting.total(); ++call) {
    io.unlink("/d/.upload");
    FaultIo faulty(io);
    faulty.fail({.op = Op::kAny, .call = call, .error = ENOSPC});
    const bool good = session(faulty);
    auto log = open();
    const auto entry = log->find("o");
    EXPECT_TRUE(!good || (entry && entry->done)) << call;
    EXPECT_EQ(log->damaged_lines(), 0u) << call;
  }
}

}  // namespace
}  // namespace sluice::test
