// `sluice upload` into object stores that fail at random, while it is killed at random moments:
// every file arrives once and whole, and nothing else is left there.
//
// sanitizers: none (children of a process are killed here)
#include <sys/wait.h>

#include <map>
#include <random>

#include "cli/cli_fixture.h"
#include "upload/gcs_fake.h"
#include "upload/s3_server.h"
#include "upload/unpacked.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;
using upload::Fault;
using upload::http_answer;
using upload::HttpServer;
using upload::Seen;

// Three that go up whole, one in parts or pieces.
std::map<std::string, std::string> new_files(std::mt19937& random) {
  std::map<std::string, std::string> files;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1000}, std::size_t{1} << 20, std::size_t{17} << 20}) {
    std::string& text = files["f" + std::to_string(files.size())];
    text.resize(size);
    for (std::size_t i = 0; i + 4 <= size; i += 4) {
      const u32 word = u32(random());
      std::memcpy(text.data() + i, &word, 4);
    }
  }
  return files;
}

class CliStores : public Cli {
 protected:
  CliStores() {
    const char* const given = ::getenv("SLUICE_TEST_SEED");
    const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
    std::printf("SLUICE_TEST_SEED=%u\n", seed);
    random_.seed(seed);
    ::unsetenv("GOOGLE_OAUTH_ACCESS_TOKEN");
    ::setenv("AWS_ACCESS_KEY_ID", upload::kTestKey, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", upload::kTestSecret, 1);
  }

  // One request in six goes wrong.
  void break_now_and_then(HttpServer& server) {
    server.set_faults([random = std::mt19937(random_())](const Seen& seen) mutable {
      const u64 what = random() % 36;
      const std::size_t length = seen.body.size() + random() % 100'000;
      switch (what) {
        case 0:
          return Fault{.what = Fault::kAnswer, .text = http_answer("503 Busy")};
        case 1:
          return Fault{.what = Fault::kAnswer, .text = http_answer("429 Slow")};
        case 2:
          return Fault{.what = Fault::kReset, .text = {}, .bytes = length};
        case 3:
        case 4:
          return Fault{.what = Fault::kLoseAnswer};
        case 5:
          return Fault{.what = Fault::kCut, .text = {}, .bytes = random() % 300};
        default:
          return Fault{};
      }
    });
  }

  // Until the command says that all is there; `there` gives what the store has under a name.
  void upload_through_all_that(const std::string& url, HttpServer& server, const char* options,
                               const std::function<std::string(const std::string&)>& there) {
    const auto files = new_files(random_);
    fs::create_directory(path("d"));
    for (const auto& [name, text] : files) write("d/" + name, text);
    break_now_and_then(server);
    int kills = 0, code = -1;
    for (int start_number = 0; code != 0; ++start_number) {
      ASSERT_LT(start_number, 500) << read_file(regions_ + "/e");
      const pid_t child = start("exec $SLUICE upload d --to " + url + "/p --endpoint " +
                                    server.url() + " --settle 0 --quiet --backoff 1 " + options,
                                regions_ + "/o", regions_ + "/e");
      if (start_number < 4 || random_() % 2 == 0) {
        ::usleep(unsigned(random_() % (start_number < 2 ? 40'000 : 160'000)));
        ::kill(child, SIGKILL);
      }
      code = wait_for(child);
      kills += code == 128 + SIGKILL ? 1 : 0;
      ASSERT_TRUE(code == 0 || code == 1 || code == 128 + SIGKILL) << read_file(regions_ + "/e");
      for (const auto& [name, text] : files) {
        const bool here = fs::exists(path("d/" + name));
        ASSERT_TRUE(here || there("p/" + name) == text) << name;
      }
    }
    std::printf("%d kills\n", kills);
    for (const auto& [name, text] : files) {
      EXPECT_FALSE(fs::exists(path("d/" + name)));
      EXPECT_TRUE(there("p/" + name) == text) << name;
    }
  }

  std::mt19937 random_;
};

TEST_F(CliStores, EverythingIsInS3Once) {
  const auto s3 = upload::S3Server::start();
  if (!s3) GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
  HttpServer proxy([&](const Seen& seen) { return HttpServer::forward(s3->port(), seen); });
  upload_through_all_that("s3://bucket", proxy, "--part-bytes 5MiB",
                          [&](const std::string& name) { return read_file(s3->file(name)); });
}

TEST_F(CliStores, EverythingIsInGoogleCloudStorageOnce) {
  upload::GcsFake fake;
  HttpServer server([&](const Seen& seen) { return fake.answer(seen); });
  upload_through_all_that("gs://bucket", server, "--part-bytes 2MiB --parts-at-once 1",
                          [&](const std::string& name) { return fake.bytes(name); });
  EXPECT_EQ(fake.count(), 4U);
  fake.clear();
  fs::remove_all(path("d"));
  upload_through_all_that("gs://bucket", server, "--part-bytes 2MiB --parts-at-once 4",
                          [&](const std::string& name) { return fake.bytes(name); });
  EXPECT_EQ(fake.count(), 4U);  // and no parts
}

TEST_F(CliStores, EverythingIsThereOnceCompressed) {
  const auto s3 = upload::S3Server::start();
  if (!s3) GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
  const auto unpacked = [](const std::string& text) {
    return upload::unpacked(UploadCompression::zstd, text).value_or("damaged");
  };
  HttpServer proxy([&](const Seen& seen) { return HttpServer::forward(s3->port(), seen); });
  upload_through_all_that(
      "s3://bucket", proxy, "--part-bytes 5MiB --compress zstd",
      [&](const std::string& name) { return unpacked(read_file(s3->file(name + ".zst"))); });
  fs::remove_all(path("d"));
  upload::GcsFake fake;
  HttpServer server([&](const Seen& seen) { return fake.answer(seen); });
  upload_through_all_that(
      "gs://bucket", server, "--part-bytes 2MiB --compress zstd",
      [&](const std::string& name) { return unpacked(fake.bytes(name + ".zst")); });
  EXPECT_EQ(fake.count(), 4U);  // and no parts
}

}  // namespace
}  // namespace sluice::test
