// sanitizers: address
// From streams into object stores that fail now and then, and through kills: each record once.
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "os/child.h"
#include "sluice/stream.h"
#include "sluice/upload.h"
#include "stream/stream_files.h"
#include "upload/gcs_fake.h"
#include "upload/s3_server.h"

namespace sluice::upload {
namespace {

namespace fs = std::filesystem;
using test::OwnDirectory;

constexpr int kRecords = 4000;
constexpr u32 kLongMs = 60'000;

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with('.')) names.push_back(name);
  }
  return names;
}

// One request in `one_in` goes wrong: an error, a reset, a lost answer.
HttpServer::Faults now_and_then(unsigned one_in) {
  return [one_in, random = std::minstd_rand(7)](const Seen&) mutable {
    Fault fault;
    switch (random() % (3 * one_in)) {
      case 0:
        fault.what = Fault::kAnswer;
        fault.text = http_answer("503 Service Unavailable");
        break;
      case 1:
        fault.what = Fault::kReset;
        break;
      case 2:
        fault.what = Fault::kLoseAnswer;
        break;
    }
    return fault;
  };
}

UploadOptions hasty(const HttpServer& server) {
  UploadOptions options;
  options.quiet = true;
  options.retries = 50;
  options.backoff_ms = options.backoff_ms_max = 2;
  options.timeout_ms = 5000;
  options.endpoint = server.url();
  return options;
}

// Streams into `to`, and the statistics at the end.
UploadStatistics stream_and_upload(const std::string& from, const std::string& to,
                                   const UploadOptions& options) {
  fs::create_directory(from);
  auto uploader = Uploader::start(from, to, options);
  EXPECT_TRUE(uploader.ok()) << uploader.status().message();
  if (!uploader.ok()) return {};
  StreamOptions rotating;
  rotating.rotate_bytes = 4000;
  rotating.quiet = true;
  auto stream = Stream::open(from, "s", rotating);
  EXPECT_TRUE(stream.ok()) << stream.status().message();
  for (int i = 0; stream.ok() && i < kRecords; ++i) {
    EXPECT_EQ(stream.value().write(std::to_string(i)), Admission::kOk);
  }
  EXPECT_TRUE(stream.ok() && stream.value().close().ok());
  EXPECT_TRUE(uploader.value().drain(kLongMs));
  EXPECT_TRUE(uploader.value().stop(kLongMs));
  EXPECT_EQ(names_in(from).size(), 0u);
  return uploader.value().statistics();
}

void expect_each_record_once(const std::string& directory) {
  std::vector<std::string> expected;
  for (int i = 0; i < kRecords; ++i) expected.push_back(std::to_string(i));
  EXPECT_EQ(test::records_of_stream(directory, "s"), expected);
}

TEST(EndToEnd, GoogleCloudStorageThatFailsNowAndThen) {
  ::unsetenv("STORAGE_EMULATOR_HOST");
  ::unsetenv("CLOUD_STORAGE_EMULATOR_ENDPOINT");
  GcsFake fake;
  std::mutex mutex;
  std::set<std::string> names;
  HttpServer server([&](const Seen& seen) { return fake.answer(seen); });
  server.set_faults(now_and_then(4));
  const OwnDirectory both;
  UploadOptions options = hasty(server);
  options.on_event = [&](const UploadEvent& event) {
    if (event.step == UploadStep::uploaded || event.step == UploadStep::there) {
      const std::scoped_lock lock(mutex);
      EXPECT_TRUE(names.emplace(event.object).second) << event.object;
    }
  };
  const UploadStatistics told =
      stream_and_upload(both.path() + "/from", "gs://bucket/some/prefix", options);
  EXPECT_GT(told.retries, 0u);
  EXPECT_EQ(told.failed + told.later, 0u);
  EXPECT_EQ(fake.count(), told.successful);
  fs::create_directory(both.path() + "/to");
  for (const std::string& name : names) {
    ASSERT_TRUE(name.starts_with("some/prefix/s_")) << name;
    std::ofstream(both.path() + "/to/" + name.substr(12), std::ios::binary) << fake.bytes(name);
  }
  expect_each_record_once(both.path() + "/to");
}

class S3EndToEnd : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const char* name : {"AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"}) {
      ::unsetenv(name);
    }
    ::setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    ::setenv("AWS_ACCESS_KEY_ID", kTestKey, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", kTestSecret, 1);
    server_ = S3Server::start();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (!server_) {
      GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
    }
  }

  static inline std::unique_ptr<S3Server> server_;
  const OwnDirectory both_;
};

TEST_F(S3EndToEnd, AServerThatFailsNowAndThen) {
  const u16 port = server_->port();
  HttpServer proxy([port](const Seen& seen) { return HttpServer::forward(port, seen); });
  proxy.set_faults(now_and_then(6));
  const UploadStatistics told =
      stream_and_upload(both_.path() + "/from", "s3://bucket/logs", hasty(proxy));
  EXPECT_GT(told.retries, 0u);
  EXPECT_EQ(told.failed + told.later, 0u);
  EXPECT_EQ(names_in(server_->file("logs")).size(), told.successful);
  expect_each_record_once(server_->file("logs"));
}

// `sluice upload` of files in parts, killed at random moments until it gets through.
TEST_F(S3EndToEnd, ThroughKills) {
  const char* const given = std::getenv("SLUICE_TEST_SEED");
  const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
  std::printf("SLUICE_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const std::string from = both_.path() + "/from";
  fs::create_directory(from);
  std::map<std::string, std::string> contents;
  for (const char* name : {"a", "b", "c"}) {
    std::string& bytes = contents[name];
    bytes.resize(12 << 20);
    for (char& byte : bytes) byte = char(random());
    std::ofstream(from + "/" + name, std::ios::binary) << bytes;
  }
  const std::string log = both_.path() + "/log";
  int kills = 0;
  for (int code = -1; code != 0;) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    u32 pid = 0;
    ASSERT_EQ(os::spawn({SLUICE_BIN_DIR "/sluice", "upload", from, "--to", "s3://bucket/killed",
                         "--settle", "0", "--part-bytes", "5MiB", "--endpoint", server_->url()},
                        out, out, pid),
              0);
    ::close(out);
    ::usleep(unsigned(random() % 200'000) + unsigned(kills) * 10'000);
    os::send_signal(pid, SIGKILL);
    const os::ChildEnd end = os::child_end(pid, true);
    code = end.signal == SIGKILL ? -1 : end.exit_code;
    kills += code == -1 ? 1 : 0;
    ASSERT_TRUE(code == 0 || code == -1) << test::read_file(log);
    for (const auto& [name, bytes] : contents) {
      const bool here = fs::exists(from + "/" + name);
      const std::string object = server_->file("killed/" + name);
      ASSERT_TRUE(here || fs::exists(object)) << name << " is nowhere";
      if (!here) {
        ASSERT_TRUE(test::read_file(object) == bytes) << name << " is not whole";
      }
    }
  }
  std::printf("%d kills\n", kills);
  EXPECT_EQ(names_in(from).size(), 0u);
  EXPECT_EQ(names_in(server_->file("killed")).size(), contents.size());
}

}  // namespace
}  // namespace sluice::upload
