// Files that wait while the store is away, also through a SIGKILL of the uploader: each arrives
// once. 500 of them in ./test --full, where the uploader must also find out by itself that the
// store is back.
//
// sanitizers: none (children of a process are killed here)
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "cli/cli_fixture.h"
#include "upload/s3_server.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;
using upload::Fault;
using upload::HttpServer;
using upload::Seen;

std::string name_of(int file) { return "f" + std::to_string(1000 + file); }
std::string content_of(int file) {
  return std::string(std::size_t(file * 37), char('a' + file % 26));
}

class Outage : public Cli {
 protected:
  Outage() {
    ::setenv("AWS_ACCESS_KEY_ID", upload::kTestKey, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", upload::kTestSecret, 1);
  }
  pid_t uploader(const std::string& url, const char* options) {
    said_ = regions_ + "/e" + std::to_string(++started_);  // a file that none before wrote to
    return start("exec $SLUICE upload d --to s3://bucket/p --endpoint " + url +
                     " --settle 0 --quiet --backoff 1 --retries 1 " + options,
                 regions_ + "/o", said_);
  }
  // What is counted: objects that the store said it took, by name.
  std::string answer(u16 port, const Seen& seen) {
    const std::string answer = HttpServer::forward(port, seen);
    if (seen.method == "PUT" && answer.starts_with("HTTP/1.1 200")) {
      const std::scoped_lock lock(mutex_);
      ++taken_[seen.target.substr(seen.target.rfind('/') + 1)];
    }
    return answer;
  }
  std::size_t taken() {
    const std::scoped_lock lock(mutex_);
    return taken_.size();
  }
  // Empty: each of the files is there, whole, and was taken once.
  std::string broken(const upload::S3Server& s3, int files) {
    const std::scoped_lock lock(mutex_);
    for (int file = 0; file < files; ++file) {
      const std::string name = name_of(file);
      if (fs::exists(path("d/" + name))) return name + " is still here";
      if (read_file(s3.file("p/" + name)) != content_of(file)) return name + " is not whole";
      if (taken_[name] != 1) return name + " arrived " + std::to_string(taken_[name]) + " times";
    }
    return {};
  }

  std::string said_;
  int started_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> taken_;
};

TEST_F(Outage, FilesWaitAndEachArrivesOnce) {
  const auto s3 = upload::S3Server::start();
  if (!s3) GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
  const bool full = ::getenv("SLUICE_TEST_FULL") != nullptr;
  const int files = full ? 500 : 40;
  fs::create_directory(path("d"));
  for (int file = 0; file < files; ++file) write("d/" + name_of(file), content_of(file));
  std::atomic<bool> away{true};
  HttpServer store([&](const Seen& seen) { return answer(s3->port(), seen); });
  store.set_faults([&away](const Seen&) { return away ? Fault{.what = Fault::kReset} : Fault{}; });
  const auto is_waiting = [&] {
    const std::vector<std::string> said = lines_of(read_file(said_));
    return std::count_if(said.begin(), said.end(), [](const std::string& line) {
             return line.ends_with("left for later");
           }) >= (full ? files : 1);
  };
  for (int start_number = 0; start_number < 2; ++start_number) {
    const pid_t child = uploader(store.url(), "--watch");
    ASSERT_TRUE(eventually(is_waiting));
    if (start_number == 1) {
      away = false;
      // By itself only after the longest wait between two attempts, 64 s.
      for (int tries = 0; full && tries < 9 && taken() < 100; ++tries) {
        (void)eventually([&] { return taken() >= 100; });
      }
      ASSERT_TRUE(!full || taken() >= 100);
    }
    ::kill(child, SIGKILL);
    EXPECT_EQ(wait_for(child), 128 + SIGKILL);
  }
  const pid_t last = uploader(store.url(), "");
  EXPECT_EQ(wait_for(last), 0) << read_file(said_);
  EXPECT_EQ(broken(*s3, files), "");
  EXPECT_EQ(taken(), std::size_t(files));
  std::printf("%d files\n", files);
  // The check itself notices one that arrived twice, one that is not whole, one that is left.
  ++taken_[name_of(3)];
  EXPECT_EQ(broken(*s3, files), name_of(3) + " arrived 2 times");
  fs::resize_file(s3->file("p/" + name_of(2)), 1);
  EXPECT_EQ(broken(*s3, files), name_of(2) + " is not whole");
  write("d/" + name_of(1), "left");
  EXPECT_EQ(broken(*s3, files), name_of(1) + " is still here");
}

}  // namespace
}  // namespace sluice::test
