// sanitizers: address
// The stores' own clients judge: they read what we stored, and prove the fake of the other tests.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "support/own_directory.h"
#include "upload/digest.h"
#include "upload/gcs_fake.h"
#include "upload/open_bucket.h"
#include "upload/s3_server.h"
#include "upload/source_file.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kMiB = 1 << 20;

class Judges : public ::testing::Test {
 protected:
  void SetUp() override {
    python_ = upload_server_path("judges/bin/python");
    if (python_.empty()) {
      GTEST_SKIP() << "the stores' own clients are not installed: "
                      "scripts/install_upload_servers.sh judges (./test --full does it)";
    }
    ::setenv("NO_PROXY", "127.0.0.1", 1);
  }

  int judge(const std::string& script, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {python_,
                                        std::string(SLUICE_SOURCE_DIR "/tests/upload/") + script};
    command.insert(command.end(), arguments.begin(), arguments.end());
    u32 pid = 0;
    EXPECT_EQ(os::spawn(command, -1, -1, pid), 0);
    return os::child_end(pid, true).exit_code;
  }

  std::string python_;
  Told told_;
};

TEST_F(Judges, GooglesClientFindsTheFakeAndOurObjectsRight) {
  GcsFake fake;
  HttpServer server([&](const Seen& seen) { return fake.answer(seen); });
  EXPECT_EQ(judge("gcs_judge.py", {server.url()}), 0);
  EXPECT_EQ(fake.count(), 0U);
  // Control: it does find a fake wrong that forgets a precondition.
  HttpServer forgetful([&](Seen seen) {
    const std::string condition = "ifGenerationMatch=0";
    const std::size_t at = seen.target.find(condition);
    if (at != std::string::npos) seen.target.erase(at, condition.size());
    return fake.answer(seen);
  });
  EXPECT_NE(judge("gcs_judge.py", {forgetful.url()}), 0);
  for (const u32 at_once : {1U, 3U}) {
    const SourceFile file(11 * kMiB + at_once);
    const std::string name = "ours/" + std::to_string(at_once);
    auto bucket = open_bucket("gs://bucket", {.part_bytes = 4 * kMiB,
                                              .parts_at_once = at_once,
                                              .endpoint = server.url(),
                                              .ca_file = {}});
    const Attempt put = bucket.value()->put(name, file.source(), "", told_.progress());
    EXPECT_EQ(int(put.outcome), int(Outcome::kStored)) << put.why;
    EXPECT_EQ(judge("gcs_judge.py", {server.url(), name, std::to_string(file.source().size),
                                     crc32c_text(file.source().crc32c)}),
              0);
    EXPECT_NE(judge("gcs_judge.py", {server.url(), name, std::to_string(file.source().size),
                                     crc32c_text(file.source().crc32c ^ 1)}),
              0);
  }
}

TEST_F(Judges, Boto3ReadsOurObjects) {
  const auto server = S3Server::start();
  if (!server) GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
  ::setenv("AWS_ACCESS_KEY_ID", kTestKey, 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", kTestSecret, 1);
  auto bucket = open_bucket("s3://bucket",
                            {.part_bytes = 5 * kMiB, .endpoint = server->url(), .ca_file = {}});
  for (const std::size_t size : {std::size_t{1000}, 17 * kMiB}) {
    const SourceFile file(size);
    const std::string name = "a b/\xc3\xa4+" + std::to_string(size);
    const Attempt put = bucket.value()->put(name, file.source(), "", told_.progress());
    EXPECT_EQ(int(put.outcome), int(Outcome::kStored)) << put.why;
    const std::string length = std::to_string(size);
    EXPECT_EQ(judge("s3_judge.py", {server->url(), name, length, hex(md5(file.bytes()))}), 0);
    EXPECT_NE(judge("s3_judge.py", {server->url(), name, length, hex(md5("other"))}), 0);
  }
}

// rclone with these arguments, against the server at `url` as the remote ":s3:". Its exit code.
int rclone(const std::string& url, const std::vector<std::string>& arguments) {
  // The system's certificates in the environment would take the place of its own list. It asks
  // whether the bucket is there by making it, to which this server has no answer.
  std::vector<std::string> command = {"env", "-u", "AWS_CA_BUNDLE", "rclone"};
  for (const char* option :
       {"--config=/dev/null", "--retries=1", "--low-level-retries=1", "--s3-provider=Other",
        "--s3-env-auth", "--s3-no-check-bucket", "--s3-endpoint"}) {
    command.emplace_back(option);
  }
  command.push_back(url);
  command.insert(command.end(), arguments.begin(), arguments.end());
  u32 pid = 0;
  EXPECT_EQ(os::spawn(command, -1, -1, pid), 0);
  return os::child_end(pid, true).exit_code;
}

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Rclone, FindsOurObjectsAndWeFindIts) {
  if (std::system("command -v rclone > /dev/null") != 0) {
    GTEST_SKIP() << "rclone is not installed (./test --full does it)";
  }
  const auto server = S3Server::start();
  if (!server) GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
  ::setenv("NO_PROXY", "127.0.0.1", 1);
  ::setenv("AWS_ACCESS_KEY_ID", kTestKey, 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", kTestSecret, 1);
  const test::OwnDirectory here;
  const std::vector<std::string> check = {"check", "--download", here.path(), ":s3:bucket/run"};
  auto bucket = open_bucket("s3://bucket/run",
                            {.part_bytes = 5 * kMiB, .endpoint = server->url(), .ca_file = {}});
  Told told;
  const auto put = [&](const std::string& name, const SourceFile& file) {
    return int(bucket.value()->put("run/" + name, file.source(), "", told.progress()).outcome);
  };
  // Ours, whole and in parts, read by rclone.
  for (const std::size_t size : {std::size_t{1000}, 17 * kMiB}) {
    const SourceFile file(size);
    const std::string name = "a b \xc3\xa4+" + std::to_string(size);
    write_file(here.path() + "/" + name, file.bytes());
    EXPECT_EQ(put(name, file), int(Outcome::kStored));
  }
  EXPECT_EQ(rclone(server->url(), check), 0);
  // Its own, met by ours: the same content is stored, other content is not written over.
  const SourceFile same(9 * kMiB, 2);
  const SourceFile other(9 * kMiB, 3);
  write_file(here.path() + "/theirs", same.bytes());
  EXPECT_NE(rclone(server->url(), check), 0) << "a file that was not uploaded is not missed";
  EXPECT_EQ(rclone(server->url(), {"copy", here.path() + "/theirs", ":s3:bucket/run"}), 0);
  EXPECT_EQ(put("theirs", other), int(Outcome::kExists));
  EXPECT_EQ(rclone(server->url(), check), 0);
  EXPECT_EQ(put("theirs", same), int(Outcome::kStored));
}

}  // namespace
}  // namespace sluice::upload
