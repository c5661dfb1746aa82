// The uploader as a program uses it, into a directory; and its threads over a bucket that fails.
#include "sluice/upload.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "os/io.h"
#include "os/process.h"
#include "sluice/stream.h"
#include "stream/stream_files.h"
#include "upload/directory_bucket.h"
#include "upload/engine.h"
#include "upload/upload_log.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;
using upload::Attempt;
using upload::Outcome;
using upload::Progress;
using upload::Source;

constexpr std::uint32_t kLongMs = 60'000;

void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Not changed for an hour.
void write_old_file(const std::string& path, std::string_view text) {
  write_file(path, text);
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
}

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  if (!fs::exists(directory)) return names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

struct Folders : ::testing::Test {
  Folders() { fs::create_directory(from); }
  [[nodiscard]] UploadOptions options() const {
    UploadOptions options;
    options.quiet = true;
    return options;
  }
  Uploader start(const UploadOptions& options) {
    auto uploader = Uploader::start(from, "file://" + to, options);
    EXPECT_TRUE(uploader.ok()) << uploader.status().message();
    return std::move(uploader).value();
  }

  const OwnDirectory both;
  const std::string from = both.path() + "/from", to = both.path() + "/to";
};

TEST_F(Folders, EveryRecordOfManyStreamsArrivesOnce) {
  Uploader uploader = start(options());
  StreamOptions rotating;
  rotating.rotate_bytes = 20'000;
  auto set = StreamSet::open(from, rotating);
  ASSERT_TRUE(set.ok());
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int number = 0; number < 3000; ++number) {
        const std::string record = std::to_string(writer) + " " + std::to_string(number) + " ";
        EXPECT_EQ(set.value().write("s" + std::to_string(writer), record), Admission::kOk);
      }
    });
  }
  for (std::thread& thread : writers) thread.join();
  ASSERT_TRUE(set.value().close().ok());
  EXPECT_TRUE(uploader.drain(kLongMs));
  EXPECT_TRUE(uploader.stop());
  for (int writer = 0; writer < 4; ++writer) {
    const auto numbers = numbers_by_writer(records_of_stream(to, "s" + std::to_string(writer)));
    ASSERT_EQ(numbers.size(), 1u);
    const std::vector<int>& mine = numbers.at(writer);
    ASSERT_EQ(mine.size(), 3000u);
    for (int i = 0; i < 3000; ++i) EXPECT_EQ(mine[std::size_t(i)], i);
  }
  EXPECT_EQ(names_in(from), (std::set<std::string>{".streams", ".numbers", ".upload"}));
  const UploadStatistics told = uploader.statistics();
  const StreamStatistics written = set.value().statistics();
  EXPECT_EQ(told.successful, written.files);
  EXPECT_EQ(told.files, written.files);
  EXPECT_EQ(told.bytes, written.bytes_written);
  EXPECT_EQ(told.bytes_sent, written.bytes_written);
  EXPECT_EQ(told.failed + told.later + told.waiting + told.in_flight, 0u);
  EXPECT_GT(told.last_upload_ns, 0);
  EXPECT_LE(told.upload_ms_min, told.upload_ms_average());
  EXPECT_LE(told.upload_ms_average(), told.upload_ms_max);
}

TEST_F(Folders, FilesOfWritersThatDiedAreSealedAndThoseOfOthersLeft) {
  auto alive = Stream::open(from, "alive");
  ASSERT_TRUE(alive.ok());
  alive.value().write("being written");
  ASSERT_TRUE(alive.value().flush());
  {
    auto died = Stream::open(from, "died");
    ASSERT_TRUE(died.ok() && died.value().close().ok());
  }
  write_file(from + "/died.log", "whole\ntor");
  write_file(from + "/stranger.log", "no stream's\n");
  write_file(from + "/stranger_2026-01-02_18-55-02_1.log", "nor this\n");
  UploadOptions with_events = options();
  std::vector<std::string> events;
  with_events.on_event = [&](const UploadEvent& event) {
    if (event.step == UploadStep::sealed) {
      events.push_back(std::string(event.file) + ": " + std::string(event.why));
    }
  };
  Uploader uploader = start(with_events);
  EXPECT_TRUE(uploader.drain(kLongMs));
  EXPECT_TRUE(uploader.stop());
  EXPECT_EQ(uploader.statistics().sealed, 1u);
  EXPECT_EQ(
      events,
      std::vector<std::string>{
          "died.log: what it had not flushed is lost; the file is finished, 3 bytes at its end "
          "that were not whole are cut"});
  EXPECT_EQ(records_of_stream(to, "died"), std::vector<std::string>{"whole"});
  EXPECT_EQ(names_in(to).size(), 1u);
  EXPECT_TRUE(fs::exists(from + "/alive.log"));
  EXPECT_TRUE(fs::exists(from + "/stranger.log"));
  EXPECT_TRUE(alive.value().close().ok());
}

// A number that was given is not given again, though its file has gone.
TEST_F(Folders, NamesAreNotGivenTwice) {
  for (int round = 0; round < 3; ++round) {
    {
      auto stream = Stream::open(from, "s");
      ASSERT_TRUE(stream.ok());
      stream.value().write(std::to_string(round));
      ASSERT_TRUE(stream.value().close().ok());
    }
    Uploader uploader = start(options());
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_EQ(uploader.statistics().successful, 1u);
  }
  EXPECT_EQ(records_of_stream(to, "s"), (std::vector<std::string>{"0", "1", "2"}));
}

TEST_F(Folders, OfAnyOtherDirectoryWhatDoesNotChange) {
  write_old_file(from + "/a.log", "a");
  write_old_file(from + "/empty.log", "");
  write_old_file(from + "/b.txt", "b");
  write_old_file(from + "/.hidden.log", "h");
  write_file(from + "/new.log", "n");
  fs::create_directory(from + "/folder.log");
  fs::create_symlink("a.log", from + "/link.log");
  UploadOptions some = options();
  some.files = "*.log";
  Uploader uploader = start(some);
  EXPECT_TRUE(uploader.drain(kLongMs));
  EXPECT_TRUE(uploader.stop());
  EXPECT_EQ(names_in(to), (std::set<std::string>{"a.log", "empty.log"}));
  EXPECT_EQ(uploader.statistics().unsettled, 1u);
  EXPECT_EQ(names_in(from), (std::set<std::string>{"b.txt", ".hidden.log", "new.log", "folder.log",
                                                   "link.log", ".upload"}));
}

TEST_F(Folders, AConflictIsParkedUntilTheFileChanges) {
  fs::create_directory(to);
  write_file(to + "/a", "other");
  write_old_file(from + "/a", "mine");
  write_old_file(from + "/b", "b");
  Uploader uploader = start(options());
  EXPECT_TRUE(uploader.drain(kLongMs));
  UploadStatistics told = uploader.statistics();
  EXPECT_EQ(told.failed, 1u);
  EXPECT_EQ(told.conflicts, 1u);
  EXPECT_EQ(told.successful, 1u);
  EXPECT_TRUE(uploader.drain(kLongMs));
  EXPECT_EQ(uploader.statistics().failed, 1u) << "it is not tried again";
  EXPECT_EQ(read_file(to + "/a"), "other");
  EXPECT_EQ(read_file(from + "/a"), "mine");
  write_old_file(from + "/a", "other");
  EXPECT_TRUE(uploader.drain(kLongMs));
  told = uploader.statistics();
  EXPECT_EQ(told.successful, 2u);
  EXPECT_EQ(told.there, 1u);
  EXPECT_FALSE(fs::exists(from + "/a"));
}

TEST_F(Folders, OneUploaderADirectory) {
  Uploader uploader = start(options());
  const auto second = Uploader::start(from, "file://" + to, options());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().error_class(), ErrorClass::kRetryable);
  EXPECT_TRUE(uploader.stop());
  EXPECT_FALSE(uploader.drain(0)) << "it has stopped";
}

TEST_F(Folders, SaysAllMistakesAtOnce) {
  UploadOptions wrong = options();
  wrong.files_at_once = 0;
  wrong.backoff_ms = 2;
  wrong.backoff_ms_max = 1;
  const auto uploader = Uploader::start(from, "nowhere://x", wrong);
  ASSERT_FALSE(uploader.ok());
  const std::string message = uploader.status().message();
  for (const char* part : {"files_at_once", "backoff_ms_max", "'nowhere://'"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_FALSE(Uploader::start(from + "/none", to, options()).ok());
  fs::create_directory_symlink(from, to);
  const auto itself = Uploader::start(from, to, options());
  ASSERT_FALSE(itself.ok()) << "the files would be removed where they are";
  EXPECT_EQ(names_in(from).size(), 0u);
}

// Another server is another place, also when only the environment says so.
TEST_F(Folders, TheEndpointOfTheEnvironmentIsPartOfWhatIsRemembered) {
  write_old_file(from + "/a", "text");
  UploadOptions kept = options();
  kept.keep = true;
  os::FileInfo info;
  ASSERT_EQ(os::real_io().stat((from + "/a").c_str(), info), 0);
  {
    auto log = upload::UploadLog::open(os::real_io(), from);
    ASSERT_TRUE(log.ok());
    for (const char* key :
         {"http://127.0.0.1:1 s3://bucket/a", "http://127.0.0.1:1 gs://bucket/a"}) {
      const upload::LocalFile file{"a", info.id(), info.size, info.modified_ns, 0};
      EXPECT_TRUE(log.value()->begin(key, file).ok() && log.value()->done(key).ok());
    }
  }
  const auto planned = [&](const char* to_url) {
    const auto plan = Uploader::plan(from, to_url, kept);
    EXPECT_TRUE(plan.ok());
    return plan.ok() ? plan.value().size() : 99;
  };
  const std::pair<const char*, std::vector<const char*>> stores[] = {
      {"s3://bucket", {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}},
      {"gs://bucket", {"STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"}}};
  for (const auto& [url, names] : stores) {
    for (const char* name : names) ::unsetenv(name);
    for (const char* name : names) {
      EXPECT_EQ(planned(url), 1u) << "the store's own";
      ::setenv(name, "http://127.0.0.1:1/", 1);
      EXPECT_EQ(planned(url), 0u) << name;
      ::setenv(name, "http://127.0.0.1:2", 1);
      EXPECT_EQ(planned(url), 1u) << name;
      kept.endpoint = "http://127.0.0.1:1";
      EXPECT_EQ(planned(url), 0u) << "the option comes first";
      kept.endpoint.clear();
      ::unsetenv(name);
    }
  }
}

// Whoever waits for everything must be told that nobody knows what there is.
TEST_F(Folders, ADirectoryThatHasGoneIsNoSuccess) {
  {
    Uploader uploader = start(options());
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_EQ(uploader.statistics().failed_looks, 0u);
    fs::remove_all(from);
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_GT(uploader.statistics().failed_looks, 0u);
    // One that comes in its place is another: our log is not in it, and somebody else may upload.
    fs::create_directory(from);
    write_old_file(from + "/a", "text");
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_GT(uploader.statistics().failed_looks, 1u);
    EXPECT_EQ(names_in(from), std::set<std::string>{"a"});
  }
  EXPECT_TRUE(start(options()).drain(kLongMs));
  EXPECT_EQ(names_in(to), std::set<std::string>{"a"});
}

TEST_F(Folders, APlanChangesNothing) {
  write_old_file(from + "/a.log", "a");
  write_old_file(from + "/b\n.log", "bb");
  UploadOptions kept = options();
  kept.keep = true;
  auto plan = Uploader::plan(from, "gs://bucket/p", kept);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan.value().size(), 2u);
  EXPECT_EQ(plan.value()[0].object, "p/a.log");
  EXPECT_EQ(plan.value()[0].why_not, "");
  EXPECT_NE(plan.value()[1].why_not, "");
  EXPECT_EQ(names_in(from).size(), 2u);
  {
    Uploader uploader = start(kept);
    EXPECT_TRUE(uploader.drain(kLongMs));
  }
  plan = Uploader::plan(from, to, kept);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan.value().size(), 1u) << "a.log is there";
}

// ---- over a bucket that fails ----

// A directory, when it is up.
class Moody final : public upload::Bucket {
 public:
  explicit Moody(const std::string& directory) : real_(os::real_io(), directory) {}

  Attempt put(const std::string& name, const Source& source, std::string_view memo,
              const Progress& progress) override {
    ++puts;
    Attempt failed;
    failed.why = "it is down";
    if (down) return failed;
    if (hangs) {
      std::mutex mutex;
      std::condition_variable_any stopped;
      std::unique_lock lock(mutex);
      hanging = true;
      stopped.wait(lock, progress.stop, [] { return false; });
      failed.outcome = Outcome::kStopped;
      return failed;
    }
    Attempt got = real_.put(name, source, memo, progress);
    const std::scoped_lock lock(mutex_);
    if (got.outcome == Outcome::kStored) ++stored[name];
    return got;
  }
  std::optional<Attempt> same(const std::string& name, const Source& source) override {
    return real_.same(name, source);
  }
  Attempt forget(const std::string& name, std::string_view memo) override {
    return real_.forget(name, memo);
  }

  std::atomic<bool> down{false}, hangs{false}, hanging{false};
  std::atomic<int> puts{0};
  std::map<std::string, int> stored;

 private:
  std::mutex mutex_;
  upload::DirectoryBucket real_;
};

struct Outage : Folders {
  enum class Mood { kWell, kDown, kHanging };

  std::unique_ptr<upload::Engine> engine(const UploadOptions& with, Mood mood = Mood::kWell) {
    os::Io& io = os::real_io();
    auto bucket = std::make_unique<Moody>(to);
    bucket->down = mood == Mood::kDown;
    bucket->hangs = mood == Mood::kHanging;
    moody = bucket.get();
    auto log = upload::UploadLog::open(io, from);
    EXPECT_TRUE(log.ok()) << log.status().message();
    upload::Parts parts{io, upload::Destination::parse(to, {}).value(), std::move(bucket),
                        std::move(log.value()), std::make_unique<upload::Scan>(io, from, "", 0)};
    return std::make_unique<upload::Engine>(std::move(parts), with);
  }
  [[nodiscard]] UploadOptions hasty() const {
    UploadOptions with = options();
    with.backoff_ms = 0;
    with.backoff_ms_max = 1;
    with.scan_interval_ms = 1;
    with.queue_files = 20;
    return with;
  }
  static void until(const std::function<bool()>& holds) {
    while (!holds()) std::this_thread::yield();
  }
  Moody* moody = nullptr;
};

// Five hundred files wait through an outage and a restart, and each arrives once.
TEST_F(Outage, FilesWaitAndArriveOnce) {
  for (int i = 0; i < 500; ++i) {
    write_old_file(from + "/" + std::to_string(i), "content " + std::to_string(i));
  }
  {
    auto first = engine(hasty(), Mood::kDown);
    until([&] { return moody->puts > 100; });
    EXPECT_EQ(first->statistics().successful, 0u);
    EXPECT_GT(first->statistics().retries, 0u);
    moody->down = false;
    until([&] { return first->statistics().successful > 100; });
    (void)first->stop(0);
  }
  std::size_t before = 0;
  for (const std::string& name : names_in(to)) before += name.starts_with('.') ? 0 : 1;
  EXPECT_GE(before, 100u);
  auto second = engine(hasty());
  EXPECT_TRUE(second->drain(kLongMs));
  EXPECT_TRUE(second->stop(kLongMs));
  EXPECT_EQ(names_in(from), std::set<std::string>{".upload"});
  EXPECT_EQ(names_in(to).size(), 500u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(read_file(to + "/" + std::to_string(i)), "content " + std::to_string(i));
  }
  for (const auto& [name, times] : moody->stored) EXPECT_EQ(times, 1) << name;
  const UploadStatistics told = second->statistics();
  EXPECT_EQ(told.successful - told.there + before, 500u);
}

TEST_F(Outage, ADrainTriesEachAndSaysWhatIsLeft) {
  for (int i = 0; i < 5; ++i) write_old_file(from + "/" + std::to_string(i), "x");
  UploadOptions patient = hasty();
  patient.retries = 1;
  patient.backoff_ms_max = 3'600'000;
  auto uploads = engine(patient, Mood::kDown);
  until([&] { return uploads->statistics().later == 5; });
  EXPECT_EQ(moody->puts, 10);
  EXPECT_TRUE(uploads->drain(kLongMs)) << "does not wait until they are due";
  EXPECT_EQ(moody->puts, 20);
  moody->down = false;
  EXPECT_TRUE(uploads->drain(kLongMs));
  EXPECT_EQ(uploads->statistics().successful, 5u);
  EXPECT_EQ(uploads->statistics().later, 0u);
}

// Kept files go by their bounds, and are not sent again.
TEST_F(Folders, KeptFilesGoByTheirBounds) {
  for (const char* name : {"/a", "/b", "/c"}) write_old_file(from + name, "12345");
  UploadOptions kept = options();
  kept.keep = true;
  {
    Uploader uploader = start(kept);
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_EQ(names_in(from).size(), 4u);
  }
  kept.keep_bytes = 10;
  {
    Uploader uploader = start(kept);
    EXPECT_TRUE(uploader.drain(kLongMs));
    EXPECT_EQ(names_in(from), (std::set<std::string>{"b", "c", ".upload"}));
    EXPECT_EQ(uploader.statistics().removed, 1u);
    EXPECT_EQ(uploader.statistics().files, 0u);
  }
  kept.keep_seconds = 60;
  Uploader uploader = start(kept);
  EXPECT_TRUE(uploader.drain(kLongMs));
  EXPECT_EQ(names_in(from), std::set<std::string>{".upload"});
  EXPECT_EQ(names_in(to).size(), 3u);
  EXPECT_EQ(uploader.statistics().discarded, 0u);
}

// The disk may hold two of them while the store is down: the oldest are lost, counted and said.
TEST_F(Outage, ABudgetOfTheDiskDiscardsAndSaysSo) {
  for (int i = 0; i < 5; ++i) {
    const std::string path = from + "/" + std::to_string(i);
    write_file(path, "12345");
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(10 - i));
  }
  UploadOptions small = hasty();
  small.disk_bytes = 10;
  small.backoff_ms_max = 3'600'000;
  std::set<std::string> said;
  small.on_event = [&](const UploadEvent& event) {
    if (event.step == UploadStep::discarded) said.emplace(event.file);
  };
  auto uploads = engine(small, Mood::kDown);
  EXPECT_TRUE(uploads->drain(kLongMs));
  EXPECT_EQ(names_in(from), (std::set<std::string>{"3", "4", ".upload"}));
  EXPECT_EQ(uploads->statistics().discarded, 3u);
  EXPECT_EQ(uploads->statistics().bytes_discarded, 15u);
  EXPECT_EQ(said, (std::set<std::string>{"0", "1", "2"}));
  moody->down = false;
  EXPECT_TRUE(uploads->drain(kLongMs));
  EXPECT_EQ(names_in(to), (std::set<std::string>{"3", "4"}));
}

TEST_F(Outage, StopBreaksOffWhatHangs) {
  write_old_file(from + "/a", "x");
  {
    auto uploads = engine(hasty(), Mood::kHanging);
    until([&] { return moody->hanging.load(); });
    EXPECT_FALSE(uploads->drain(1));
    EXPECT_EQ(uploads->statistics().in_flight, 1u);
    EXPECT_FALSE(uploads->stop(1));
    EXPECT_EQ(uploads->statistics().successful, 0u);
  }
  EXPECT_TRUE(fs::exists(from + "/a"));
  auto next = engine(hasty());
  EXPECT_TRUE(next->drain(kLongMs));
  EXPECT_EQ(names_in(to), std::set<std::string>{"a"});
}

TEST_F(Outage, StopEndsAWaitBetweenAttempts) {
  write_old_file(from + "/a", "x");
  UploadOptions slow = hasty();
  slow.backoff_ms = slow.backoff_ms_max = 3'600'000;
  auto uploads = engine(slow, Mood::kDown);
  until([&] { return uploads->statistics().retries > 0 || uploads->statistics().later > 0; });
  (void)uploads->stop(kLongMs);
  EXPECT_TRUE(fs::exists(from + "/a"));
}

}  // namespace
}  // namespace sluice::test
