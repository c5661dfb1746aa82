// One file's way into a bucket, killed at every call of the system it makes.
//
// sanitizers: address (one thread)
#include "upload/delivery.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "support/kill_io.h"
#include "support/memory_io.h"
#include "upload/directory_bucket.h"
#include "upload/unpacked.h"

namespace sluice::test {
namespace {

using testing::Killed;
using testing::KillIo;
using testing::MemoryIo;
using upload::Attempt;
using upload::Delivered;
using upload::DeliveryOptions;
using upload::Fate;
using upload::Outcome;
using upload::Progress;
using upload::Source;
using upload::UploadLog;

constexpr char kName[] = "s_2026-01-02_18-55-02_1.log";

// Counts what is sent, and answers as a test asks before it asks the real one.
class Watched final : public upload::Bucket {
 public:
  explicit Watched(upload::Bucket& real) : real_(real) {}

  Attempt put(const std::string& name, const Source& source, std::string_view memo,
              const Progress& progress) override {
    ++puts;
    memos.emplace_back(memo);
    if (!answers.empty()) {
      Attempt answer = answers.front();
      answers.pop_front();
      if (!loses_answers) return answer;
      (void)real_.put(name, source, memo, progress);
      return answer;
    }
    Attempt got = real_.put(name, source, memo, progress);
    sent += got.sent;
    return got;
  }
  std::optional<Attempt> same(const std::string& name, const Source& source) override {
    ++sames;
    return real_.same(name, source);
  }
  Attempt forget(const std::string& name, std::string_view memo) override {
    return real_.forget(name, memo);
  }

  std::deque<Attempt> answers;
  bool loses_answers = false;  // the object is stored, and the answer says otherwise
  int puts = 0, sames = 0;
  u64 sent = 0;
  std::vector<std::string> memos;

 private:
  upload::Bucket& real_;
};

// Says that it has everything, and keeps nothing.
class Liar final : public upload::Bucket {
 public:
  Attempt put(const std::string&, const Source&, std::string_view, const Progress&) override {
    Attempt stored;
    stored.outcome = Outcome::kStored;
    return stored;
  }
  std::optional<Attempt> same(const std::string&, const Source&) override { return {}; }
  Attempt forget(const std::string&, std::string_view) override { return {}; }
};

Attempt answer(Outcome outcome, u64 wait_ms = 0) {
  Attempt attempt;
  attempt.outcome = outcome;
  attempt.why = "because";
  attempt.wait_ms = wait_ms;
  return attempt;
}

std::string text_of(MemoryIo& io, const std::string& path) {
  std::string text;
  for (const std::byte byte : io.bytes(path)) text += char(byte);
  return text;
}

bool is_there(MemoryIo& io, const std::string& path) {
  os::FileInfo info;
  return io.stat(path.c_str(), info) == 0;
}

void put_text(MemoryIo& io, const std::string& path, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  io.put(path, {bytes.begin(), bytes.end()});
}

DeliveryOptions kept() {
  DeliveryOptions options;
  options.keep = true;
  return options;
}
DeliveryOptions compressed(UploadCompression how) {
  DeliveryOptions options;
  options.compress = how;
  return options;
}
DeliveryOptions without_retries() {
  DeliveryOptions options;
  options.retries = 0;
  return options;
}

struct World : ::testing::Test {
  World() { fill(io); }

  static void fill(MemoryIo& memory) {
    memory.make_directory("/d");
    put_text(memory, "/d/.streams", "s\ts\n");
    put_text(memory, std::string("/d/") + kName, kText);
  }

  // As one process does it: all that is found, in order.
  static std::vector<Delivered> run(os::Io& through, upload::Bucket& bucket,
                                    const DeliveryOptions& options,
                                    std::vector<u64>* waits = nullptr) {
    std::vector<Delivered> all;
    const auto to = upload::Destination::parse("file:///out", {});
    auto log = UploadLog::open(through, "/d");
    if (!log.ok()) {
      ADD_FAILURE() << log.status().message();
      return all;
    }
    upload::Scan scan(through, "/d", "", 0);
    upload::Delivery delivery(through, bucket, *log.value(), scan, to.value(), options);
    delivery.give_up_the_gone();
    (void)scan.seal([](const stream::Left&) {});
    auto look = scan.look(100, [&](const auto& found) { return delivery.is_settled(found); });
    if (!look.ok()) {
      ADD_FAILURE() << look.status().message();
      return all;
    }
    upload::Attendant attendant;
    attendant.wait = [waits](u64 ms) {
      if (waits) waits->push_back(ms);
      return true;
    };
    for (const auto& found : look.value().files) {
      all.push_back(delivery.deliver(found, attendant));
    }
    return all;
  }
  std::vector<Delivered> run(const DeliveryOptions& options = {},
                             std::vector<u64>* waits = nullptr) {
    return run(io, watched, options, waits);
  }

  static constexpr std::string_view kText = "one\ntwo\nthree\n";
  MemoryIo io;
  upload::DirectoryBucket real{io, "/out"};
  Watched watched{real};
  const std::string object = std::string("/out/") + kName;
  const std::string local = std::string("/d/") + kName;
};

TEST_F(World, IsStoredVerifiedAndRemoved) {
  const auto all = run();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].fate, Fate::kUploaded) << all[0].why;
  EXPECT_EQ(all[0].why, "");
  EXPECT_EQ(all[0].sent, kText.size());
  EXPECT_EQ(text_of(io, object), kText);
  EXPECT_FALSE(is_there(io, local));
  EXPECT_TRUE(run().empty());
  EXPECT_TRUE(UploadLog::peek(io, "/d").empty()) << "nothing to remember any more";
}

TEST_F(World, AFileThatIsKeptIsSentOnce) {
  EXPECT_EQ(run(kept()).at(0).fate, Fate::kUploaded);
  EXPECT_TRUE(is_there(io, local));
  EXPECT_TRUE(run(kept()).empty());
  EXPECT_EQ(watched.puts, 1);
  // Not kept any more: it is done, and only removed.
  EXPECT_EQ(run().at(0).fate, Fate::kRemoved);
  EXPECT_EQ(watched.puts, 1);
  EXPECT_FALSE(is_there(io, local));
}

TEST_F(World, TheSameContentIsSuccess) {
  io.make_directory("/out");
  put_text(io, object, kText);
  const auto all = run();
  EXPECT_EQ(all.at(0).fate, Fate::kThere);
  EXPECT_EQ(all.at(0).sent, 0u);
  EXPECT_FALSE(is_there(io, local));
}

TEST_F(World, OtherContentIsAConflictAndNothingIsWrittenOver) {
  io.make_directory("/out");
  for (const std::string_view other : {"other", "one\ntwo\nthreE\n", ""}) {
    put_text(io, object, other);
    const auto all = run();
    EXPECT_EQ(all.at(0).fate, Fate::kConflict);
    EXPECT_NE(all.at(0).why, "");
    EXPECT_EQ(text_of(io, object), other);
    EXPECT_EQ(text_of(io, local), kText);
  }
}

TEST_F(World, RetriesWithBackoffAndObeysTheStore) {
  watched.answers = {answer(Outcome::kRetry), answer(Outcome::kRetry, 7000),
                     answer(Outcome::kRetry)};
  std::vector<u64> waits;
  const auto all = run({.backoff = {.base_ms = 10, .cap_ms = 15}}, &waits);
  EXPECT_EQ(all.at(0).fate, Fate::kUploaded);
  EXPECT_EQ(all.at(0).attempts, 4u);
  ASSERT_EQ(waits.size(), 3u);
  EXPECT_LE(waits[0], 10u);
  EXPECT_EQ(waits[1], 7000u);
  EXPECT_LE(waits[2], 15u);
}

TEST_F(World, StaysQueuedWhenRetriesAreUsedUp) {
  for (int i = 0; i < 4; ++i) watched.answers.push_back(answer(Outcome::kRetry));
  const auto all = run();
  EXPECT_EQ(all.at(0).fate, Fate::kLater);
  EXPECT_EQ(all.at(0).why, "because");
  EXPECT_EQ(watched.puts, 4);
  EXPECT_TRUE(is_there(io, local));
  EXPECT_EQ(run().at(0).fate, Fate::kUploaded);
}

TEST_F(World, AStoreThatAsksForAnHourIsAskedLater) {
  watched.answers = {answer(Outcome::kRetry, 3'600'000)};
  std::vector<u64> waits;
  const auto all = run({}, &waits);
  EXPECT_EQ(all.at(0).fate, Fate::kLater);
  EXPECT_EQ(all.at(0).wait_ms, 3'600'000u);
  EXPECT_EQ(waits.size(), 0u);
}

TEST_F(World, ARefusalIsNotRepeated) {
  watched.answers = {answer(Outcome::kRefused)};
  EXPECT_EQ(run().at(0).fate, Fate::kRefused);
  EXPECT_EQ(watched.puts, 1);
  EXPECT_TRUE(is_there(io, local));
}

// The store has it, and its answer is lost: the next attempt finds it there.
TEST_F(World, ALostAnswerIsFoundOut) {
  watched.answers = {answer(Outcome::kRetry)};
  watched.loses_answers = true;
  EXPECT_EQ(run().at(0).fate, Fate::kThere);
  EXPECT_EQ(text_of(io, object), kText);
  EXPECT_FALSE(is_there(io, local));
}

// The same, and the process is killed before the next attempt: no byte of it is sent again.
TEST_F(World, ALostAnswerIsFoundOutAfterARestart) {
  watched.answers = {answer(Outcome::kRetry)};
  watched.loses_answers = true;
  EXPECT_EQ(run(without_retries()).at(0).fate, Fate::kLater);
  EXPECT_EQ(run().at(0).fate, Fate::kThere);
  EXPECT_EQ(watched.puts, 1);
}

// Grows by a byte whenever it is read.
class Grows final : public MemoryIo {
 public:
  i64 pread(int fd, void* to, std::size_t size, u64 at) override {
    const i64 got = MemoryIo::pread(fd, to, size, at);
    if (got == i64(World::kText.size())) bytes(std::string("/d/") + kName).push_back({});
    return got;
  }
};

TEST_F(World, AFileThatChangesWhileItIsReadIsNotSent) {
  Grows grows;
  fill(grows);
  const auto all = run(grows, watched, {});
  EXPECT_EQ(all.at(0).fate, Fate::kLater);
  EXPECT_EQ(watched.puts, 0);
  EXPECT_TRUE(is_there(grows, local));
}

// ---- compressed ----

constexpr auto kGzip = UploadCompression::gzip;

TEST_F(World, IsCompressedWhileItIsSent) {
  for (const UploadCompression how : {UploadCompression::gzip, UploadCompression::zstd}) {
    const std::string packed = object + (how == kGzip ? ".gz" : ".zst");
    put_text(io, local, kText);
    const auto all = run(compressed(how));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].fate, Fate::kUploaded) << all[0].why;
    EXPECT_EQ(upload::unpacked(how, text_of(io, packed)), std::string(kText));
    EXPECT_EQ(all[0].sent, text_of(io, packed).size());
    EXPECT_FALSE(is_there(io, local));
    // Again, by somebody who knows nothing of it: it is compressed once more, and is the same.
    put_text(io, local, kText);
    EXPECT_EQ(run(compressed(how)).at(0).fate, Fate::kThere);
    put_text(io, local, "other\n");
    EXPECT_EQ(run(compressed(how)).at(0).fate, Fate::kConflict);
    EXPECT_TRUE(is_there(io, local));
  }
}

// The killed predecessor's compressor made other bytes of the file than ours does.
struct AnotherCompressor : World {
  AnotherCompressor() {
    upload::Packer packer(UploadCompression::gzip);
    EXPECT_TRUE(packer.pack(kText.substr(0, 5), theirs));
    std::string rest;
    EXPECT_TRUE(packer.pack(kText.substr(5), rest));
    theirs += rest;
    os::FileInfo info;
    EXPECT_EQ(io.stat(local.c_str(), info), 0);
    auto log = UploadLog::open(io, "/d");
    const std::string key = "file://" + object + ".gz";
    const upload::LocalFile file{kName, info.id(), info.size, info.modified_ns,
                                 crc32c(kText.data(), kText.size())};
    EXPECT_TRUE(log.value()
                    ->begin(key, file, {{theirs.size(), crc32c(theirs.data(), theirs.size())}})
                    .ok());
    EXPECT_TRUE(log.value()->keep_memo(key, "0123456789abcdef").ok());
    io.make_directory("/out");
  }
  std::string theirs;
  const std::string part = "/out/.sluice-upload-0123456789abcdef";
};

// What is there of theirs is not gone on with: half of each would be neither.
TEST_F(AnotherCompressor, ItsHalfIsNotGoneOnWith) {
  put_text(io, part, theirs.substr(0, 20));
  const auto all = run(compressed(kGzip));
  EXPECT_EQ(all.at(0).fate, Fate::kUploaded) << all.at(0).why;
  EXPECT_EQ(watched.memos, std::vector<std::string>{""});
  EXPECT_FALSE(is_there(io, part));
  EXPECT_EQ(upload::unpacked(kGzip, text_of(io, object + ".gz")), std::string(kText));
  EXPECT_NE(text_of(io, object + ".gz"), theirs);
}

TEST_F(AnotherCompressor, ItsObjectIsTheSameContent) {
  put_text(io, object + ".gz", theirs);
  EXPECT_EQ(run(compressed(kGzip)).at(0).fate, Fate::kThere);
  EXPECT_EQ(watched.puts, 0);
  EXPECT_FALSE(is_there(io, local));
}

TEST_F(AnotherCompressor, AnObjectThatNobodyBeganIsAConflict) {
  put_text(io, object + ".gz", theirs + "more");
  EXPECT_EQ(run(compressed(kGzip)).at(0).fate, Fate::kConflict);
  EXPECT_TRUE(is_there(io, local));
}

// What was begun for a file that has gone leaves nothing in the bucket.
TEST_F(World, PartsOfAFileThatHasGoneAreRemoved) {
  const std::string part = "/out/.sluice-upload-0123456789abcdef";
  {
    auto log = UploadLog::open(io, "/d");
    const std::string key = std::string("file:///out/") + kName;
    EXPECT_TRUE(log.value()->begin(key, {kName, {}, 14, 0, 0}).ok());
    EXPECT_TRUE(log.value()->keep_memo(key, "0123456789abcdef").ok());
  }
  io.make_directory("/out");
  put_text(io, part, "half");
  io.unlink(local.c_str());
  EXPECT_TRUE(run().empty());
  EXPECT_FALSE(is_there(io, part));
  EXPECT_TRUE(UploadLog::peek(io, "/d").empty());
}

// ---- kills ----

// Runs until call number `kill_at`, then once more undisturbed. Which promise is broken; empty:
// none.
std::string broken_by_kill(u64 kill_at, u64 partial, bool lies, bool& killed,
                           const DeliveryOptions& options = {}) {
  MemoryIo memory;
  World::fill(memory);
  const std::string local = std::string("/d/") + kName;
  const std::string object =
      std::string("/out/") + kName + std::string(upload::name_ending(options.compress));
  const auto is_whole = [&] {
    const std::string text = text_of(memory, object);
    const bool plain = options.compress == UploadCompression::none;
    return (plain ? text : upload::unpacked(options.compress, text)) == World::kText;
  };
  killed = false;
  {
    KillIo io(memory, kill_at, partial);
    upload::DirectoryBucket real(io, "/out");
    Liar liar;
    try {
      (void)World::run(io, lies ? static_cast<upload::Bucket&>(liar) : real, options);
    } catch (const Killed&) {
      killed = true;
    }
  }
  const bool stored = is_there(memory, object);
  if (stored && !is_whole()) return "the object is not whole";
  if (!stored && !is_there(memory, local)) return "removed before the store had it";
  upload::DirectoryBucket real(memory, "/out");
  Watched watched(real);
  for (const Delivered& delivered : World::run(memory, watched, options)) {
    if (!delivered.is_there() && delivered.fate != Fate::kRemoved) return delivered.why;
  }
  if (stored && watched.sent > 0) return "sent a second time";
  if (is_there(memory, local)) return "not removed";
  if (!is_there(memory, object) || !is_whole()) return "not stored";
  for (const std::string& path : memory.paths()) {
    if (path.find(".sluice-upload-") != std::string::npos) return "a part is left: " + path;
  }
  if (!UploadLog::peek(memory, "/d").empty()) return "an entry is left in the log";
  return {};
}

TEST(DeliveryKill, BetweenAnyTwoCallsItIsStoredOnceAndRemovedOnlyThen) {
  u64 points = 0;
  for (const u64 partial : {u64{0}, u64{5}}) {
    bool killed = true;
    for (u64 call = 1; killed; ++call, ++points) {
      EXPECT_EQ(broken_by_kill(call, partial, false, killed), "") << "killed at call " << call;
    }
    killed = true;
    for (u64 call = 1; killed; ++call, ++points) {
      EXPECT_EQ(broken_by_kill(call, partial, false, killed, compressed(kGzip)), "")
          << "compressing, killed at call " << call;
    }
  }
  EXPECT_GT(points, 120u);
  std::printf("%llu points\n", static_cast<unsigned long long>(points));
}

// The check itself: a store that lies is found out.
TEST(DeliveryKill, TheCheckNoticesAFileThatIsNowhere) {
  bool killed = false;
  EXPECT_EQ(broken_by_kill(0, 0, true, killed), "removed before the store had it");
  EXPECT_EQ(broken_by_kill(0, 0, true, killed, compressed(kGzip)),
            "removed before the store had it");
}

}  // namespace
}  // namespace sluice::test
