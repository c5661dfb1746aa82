// An HTTP/1.1 server of the tests, on 127.0.0.1: it answers by a function, or hands requests on to
// another server, and does wrong what it is told to.
//
// Each connection carries one request and has a thread. The server lives as long as its object.
#ifndef SLUICE_TESTS_UPLOAD_HTTP_SERVER_H_
#define SLUICE_TESTS_UPLOAD_HTTP_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace sluice::upload {

struct Seen {
  std::string method;
  std::string target;  // path and query
  std::string head;    // all of it, with the empty line
  std::string body;

  [[nodiscard]] std::string header(std::string_view name) const {  // in lower case
    std::size_t at = 0;
    while ((at = head.find("\r\n", at)) != std::string::npos) {
      at += 2;
      const std::size_t colon = head.find(':', at), end = head.find("\r\n", at);
      if (colon == std::string::npos || colon > end) continue;
      std::string key = head.substr(at, colon - at);
      for (char& c : key) c = char(tolower(c));
      if (key == name) return head.substr(colon + 2, end - colon - 2);
    }
    return {};
  }
  [[nodiscard]] bool has(std::string_view text) const {
    return (method + ' ' + target).find(text) != std::string::npos;
  }
};

// What is done with one request besides, or instead of, answering it.
struct Fault {
  enum What {
    kNone,
    kAnswer,      // `text` is the answer; the server behind is not asked
    kReset,       // the connection is reset after `bytes` of the request's body
    kLoseAnswer,  // the server behind does it, and the connection is reset then
    kCut,         // only `bytes` of the answer
    kSilence,     // no answer; the connection stays open until the client closes it
    kDrip,        // the answer a byte at a time, 20 ms apart
    kEdit,        // the answer goes through `edit`
  };
  What what = kNone;
  std::string text = {};
  std::size_t bytes = 0;
  std::function<std::string(std::string)> edit = {};
};

inline std::string http_answer(const std::string& status, const std::string& body = {},
                               const std::string& headers = {}) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

class HttpServer {
 public:
  using Handler = std::function<std::string(const Seen&)>;
  using Faults = std::function<Fault(const Seen&)>;

  // `tls`: HTTPS by it, and it is freed here; null: HTTP.
  explicit HttpServer(Handler handler, SSL_CTX* tls = nullptr)
      : handler_(std::move(handler)), tls_(tls) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~HttpServer() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (auto& thread : threads_) thread.join();
    SSL_CTX_free(tls_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] u16 port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return (tls_ != nullptr ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
  }

  // Asked for every request from here on. Empty: no faults.
  void set_faults(Faults faults) {
    const std::lock_guard lock(mutex_);
    faults_ = std::move(faults);
  }
  // The requests since the last call.
  std::vector<Seen> take_seen() {
    const std::lock_guard lock(mutex_);
    return std::move(seen_);
  }

  // Hands a request on to a server at 127.0.0.1:port and gives back its answer; empty: none.
  static std::string forward(u16 port, const Seen& seen) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(port);
    std::string answer;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string head =
          seen.head.substr(0, seen.head.size() - 2) + "Connection: close\r\n\r\n";
      if (send_all({fd}, head) && send_all({fd}, seen.body)) {
        char buffer[65536];
        for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
          answer.append(buffer, std::size_t(got));
        }
      }
    }
    ::close(fd);
    return answer;
  }

 private:
  static sockaddr_in loopback(u16 port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  struct Connection {
    int fd = -1;
    SSL* ssl = nullptr;
  };

  static bool send_all(const Connection& to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = to.ssl != nullptr
                               ? SSL_write(to.ssl, bytes.data(), int(bytes.size()))
                               : ::send(to.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(std::size_t(sent));
    }
    return true;
  }

  // Appends to `to` what has come; false at the end of the connection or of this server.
  bool receive(const Connection& from, std::string& to) const {
    while (!stopping_) {
      pollfd ready{from.fd, POLLIN, 0};
      const bool waits = from.ssl != nullptr && SSL_pending(from.ssl) > 0;
      if (!waits && ::poll(&ready, 1, 50) <= 0) continue;
      char buffer[65536];
      const ssize_t got = from.ssl != nullptr ? SSL_read(from.ssl, buffer, sizeof buffer)
                                              : ::recv(from.fd, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      to.append(buffer, std::size_t(got));
      return true;
    }
    return false;
  }

  static void reset(int fd) {
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) {
        if (stopping_) return;
        continue;
      }
      threads_.emplace_back([this, fd] {
        block_sigpipe();
        Connection connection{fd};
        if (tls_ != nullptr) {
          connection.ssl = SSL_new(tls_);
          SSL_set_fd(connection.ssl, fd);
        }
        if (tls_ == nullptr || SSL_accept(connection.ssl) == 1) serve(connection);
        if (tls_ != nullptr) SSL_shutdown(connection.ssl);
        SSL_free(connection.ssl);
        ::close(fd);
      });
    }
  }

  void serve(const Connection& client) {
    std::string bytes;
    std::size_t end = 0;
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      if (!receive(client, bytes)) return;
    }
    Seen seen;
    seen.head = bytes.substr(0, end + 4);
    seen.body = bytes.substr(end + 4);
    seen.method = seen.head.substr(0, seen.head.find(' '));
    const std::size_t from = seen.method.size() + 1;
    seen.target = seen.head.substr(from, seen.head.find(' ', from) - from);
    const std::string length = seen.header("content-length");
    const std::size_t size = length.empty() ? 0 : std::stoull(length);
    Fault fault;
    {
      const std::lock_guard lock(mutex_);
      if (faults_) fault = faults_(seen);
    }
    const std::size_t wanted = fault.what == Fault::kReset ? std::min(fault.bytes, size) : size;
    while (seen.body.size() < wanted) {
      if (!receive(client, seen.body)) return;
    }
    {
      const std::lock_guard lock(mutex_);
      seen_.push_back(seen);
    }
    if (fault.what == Fault::kReset) return reset(client.fd);
    if (fault.what == Fault::kSilence) {
      std::string ignored;
      while (receive(client, ignored)) {
      }
      return;
    }
    std::string answer = fault.what == Fault::kAnswer ? fault.text : handler_(seen);
    if (fault.what == Fault::kLoseAnswer || answer.empty()) return reset(client.fd);
    if (fault.what == Fault::kEdit) answer = fault.edit(std::move(answer));
    if (fault.what == Fault::kCut) answer.resize(std::min(answer.size(), fault.bytes));
    if (fault.what == Fault::kDrip) {
      for (const char c : answer) {
        if (stopping_ || !send_all(client, {&c, 1})) return;
        ::usleep(20'000);
      }
      return;
    }
    (void)send_all(client, answer);
  }

  Handler handler_;
  SSL_CTX* tls_;
  int listener_ = -1;
  u16 port_ = 0;
  // OpenSSL writes without MSG_NOSIGNAL. Here only: whoever is tested must not need it.
  static void block_sigpipe() {
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipes, nullptr);
  }

  std::thread acceptor_;
  std::list<std::thread> threads_;  // of the acceptor until it has been joined
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // over what follows
  Faults faults_;
  std::vector<Seen> seen_;
};

}  // namespace sluice::upload

#endif  // SLUICE_TESTS_UPLOAD_HTTP_SERVER_H_
