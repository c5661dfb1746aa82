// A real S3 server for tests, versitygw, built by scripts/install_upload_servers.sh, over a
// directory of its own.
#ifndef SLUICE_TESTS_UPLOAD_S3_SERVER_H_
#define SLUICE_TESTS_UPLOAD_S3_SERVER_H_

#include <fcntl.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "os/child.h"
#include "os/process.h"
#include "upload/http_server.h"

namespace sluice::upload {

constexpr const char* kTestKey = "testkey";
constexpr const char* kTestSecret = "testsecretkey";

// Where scripts/install_upload_servers.sh puts servers; empty when that one is not there.
inline std::string upload_server_path(const std::string& name) {
  const char* set = std::getenv("SLUICE_UPLOAD_SERVERS");
  const std::string folder =
      set != nullptr ? set : os::environment("HOME") + "/.cache/sluice/upload_servers";
  const std::string path = folder + "/" + name;
  return ::access(path.c_str(), X_OK) == 0 ? path : std::string();
}

inline u16 free_port() {
  // Of a server that ends here: nobody else is given its port so soon.
  return HttpServer([](const Seen&) { return std::string(); }).port();
}

class S3Server {
 public:
  // Null: it is not installed, or does not start.
  static std::unique_ptr<S3Server> start() {
    const std::string program = upload_server_path("s3_server");
    if (program.empty()) return nullptr;
    std::unique_ptr<S3Server> server(new S3Server);
    char folder[] = "/tmp/sluice_s3_XXXXXX";
    server->folder_ = ::mkdtemp(folder);
    std::filesystem::create_directories(server->folder_ + "/data/bucket");
    server->port_ = free_port();
    ::setenv("ROOT_ACCESS_KEY", kTestKey, 1);
    ::setenv("ROOT_SECRET_KEY", kTestSecret, 1);
    const std::string log = server->folder_ + "/log";
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const int failed =
        os::spawn({"setpriv", "--pdeathsig", "KILL", program,
                   "127.0.0.1:" + std::to_string(server->port_), server->folder_ + "/data"},
                  out, out, server->pid_);
    ::close(out);
    if (failed != 0 || !server->answers()) return nullptr;
    return server;
  }
  ~S3Server() {
    if (pid_ != 0) {
      os::send_signal(pid_, SIGKILL);
      (void)os::child_end(pid_, true);
    }
    std::filesystem::remove_all(folder_);
  }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  [[nodiscard]] u16 port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Where the objects are: a file each.
  [[nodiscard]] std::string file(const std::string& name) const {
    return folder_ + "/data/bucket/" + name;
  }

 private:
  S3Server() = default;

  bool answers() const {
    const Seen ask{"GET", "/", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", ""};
    const i64 end = os::monotonic_ns() + 20'000'000'000;
    while (os::monotonic_ns() < end && !os::child_end(pid_, false).ended) {
      if (!HttpServer::forward(port_, ask).empty()) return true;
      os::sleep_ns(20'000'000);
    }
    return false;
  }

  std::string folder_;
  u16 port_ = 0;
  u32 pid_ = 0;
};

}  // namespace sluice::upload

#endif  // SLUICE_TESTS_UPLOAD_S3_SERVER_H_
