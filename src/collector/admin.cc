#include "collector/admin.h"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "os/child.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::collector {
namespace {

constexpr std::size_t kReadBytes = 4096;

std::string cannot(const std::string& socket, std::string_view what, int error) {
  return "cannot " + std::string(what) + " " + socket + ": " + os::error_text(error);
}

}  // namespace

std::optional<std::string_view> admin_command(std::string_view line) {
  if (!line.starts_with(kAdminVersion)) return {};
  line.remove_prefix(kAdminVersion.size());
  if (line.size() < 2 || line[0] != ' ') return {};
  return line.substr(1);
}

std::string admin_error(std::string_view why) {
  const nlohmann::ordered_json object = {{"ok", false}, {"error", why}};
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

AdminServer::AdminServer(Options options, os::SocketPoll& poll, u64 first_token)
    : options_(std::move(options)),
      poll_(poll),
      first_token_(first_token),
      next_token_(first_token + 1) {
  (void)poll_.add(options_.listener, os::kReadable, os::SocketPoll::kLevel, first_token_);
}

AdminServer::~AdminServer() {
  while (!clients_.empty()) drop(clients_.begin()->first);
  poll_.remove(options_.listener);
  int listener = options_.listener;
  os::close_descriptor(listener);
}

bool AdminServer::on_event(const os::SocketPoll::Event& event, i64 now_ns) {
  if (event.token < first_token_) return false;
  if (event.token == first_token_) {
    accept(now_ns);
    return true;
  }
  // One that an event before this has closed is no more there.
  const auto found = clients_.find(event.token);
  if (found == clients_.end()) return true;
  Client& client = found->second;
  if (client.answer.empty()) {
    read(event.token, client);
  } else {
    send(event.token, client);
  }
  return true;
}

void AdminServer::accept(i64 now_ns) {
  const int fd = os::accept_unix(options_.listener);
  if (fd < 0) return;
  os::Peer peer;
  if (os::peer_of(fd, peer) != 0 || (peer.uid != options_.user && peer.uid != 0)) {
    int refused = fd;
    os::close_descriptor(refused);
    ++stats_.refused;
    return;
  }
  if (clients_.size() >= kAdminClientsMax) {
    drop(clients_.begin()->first);
    ++stats_.dropped;
  }
  const u64 token = next_token_++;
  clients_[token] = {fd, now_ns + options_.client_ns_max, {}, {}, 0};
  if (poll_.add(fd, os::kReadable, os::SocketPoll::kLevel, token) < 0) drop(token);
}

void AdminServer::read(u64 token, Client& client) {
  char bytes[kAdminLineMax];
  const i64 got = os::receive_some(client.fd, bytes, kAdminLineMax - client.line.size());
  if (got == -EAGAIN) return;
  if (got > 0) client.line.append(bytes, std::size_t(got));
  const std::size_t end = client.line.find('\n');
  if (end == std::string::npos && got > 0 && client.line.size() < kAdminLineMax) return;
  const std::optional<std::string_view> command =
      end == std::string::npos ? std::nullopt
                               : admin_command(std::string_view(client.line).substr(0, end));
  if (command) {
    client.answer = options_.answer(*command) + "\n";
    ++stats_.answered;
  } else {
    client.answer = admin_error("this is no line of " + std::string(kAdminVersion) +
                                ": a daemon and a command of different versions?") +
                    "\n";
    ++stats_.refused;
  }
  send(token, client);
}

void AdminServer::send(u64 token, Client& client) {
  const std::string_view rest = std::string_view(client.answer).substr(client.sent);
  const i64 sent = os::send_some(client.fd, rest.data(), rest.size());
  if (sent > 0) client.sent += std::size_t(sent);
  if ((sent < 0 && sent != -EAGAIN) || client.sent == client.answer.size()) return drop(token);
  poll_.change(client.fd, os::kWritable, os::SocketPoll::kLevel, token);
}

void AdminServer::drop(u64 token) {
  const auto found = clients_.find(token);
  poll_.remove(found->second.fd);
  os::close_descriptor(found->second.fd);
  clients_.erase(found);
}

i64 AdminServer::expire(i64 now_ns) {
  // All have the same time, so the oldest is over first.
  while (!clients_.empty()) {
    const auto& [token, client] = *clients_.begin();
    if (client.until_ns > now_ns) return client.until_ns - now_ns;
    drop(token);
    ++stats_.dropped;
  }
  return -1;
}

Result<std::string> ask_admin(const std::string& socket, std::string_view command, i64 timeout_ns,
                              int stop_fd) {
  int fd = os::connect_unix(socket);
  if (fd < 0) {
    const bool nobody = fd == -ENOENT || fd == -ECONNREFUSED;
    if (nobody) return Status(ErrorClass::kRetryable, "no collector runs at " + socket, -fd);
    return fatal(cannot(socket, "connect to", fd));
  }
  const std::string line = std::string(kAdminVersion) + " " + std::string(command) + "\n";
  std::string answer;
  i64 result = os::send_some(fd, line.data(), line.size());
  const i64 until = os::monotonic_ns() + timeout_ns;
  while (result >= 0 && answer.size() <= kAdminAnswerMax) {
    const i64 left = until - os::monotonic_ns();
    const os::Readable readable = left <= 0 ? os::Readable{} : os::wait_readable(fd, stop_fd, left);
    if (!readable.first) {
      result = readable.second ? -ECANCELED : left <= 0 ? -ETIMEDOUT : 0;
      continue;
    }
    char bytes[kReadBytes];
    result = os::receive_some(fd, bytes, sizeof bytes);
    if (result == 0) break;
    if (result == -EAGAIN) result = 0;
    if (result > 0) answer.append(bytes, std::size_t(result));
  }
  os::close_descriptor(fd);
  // Closed unheard: with what was sent unread, that is a reset.
  const bool closed = result == 0 || result == -ECONNRESET || result == -EPIPE;
  if (!closed) {
    return Status(ErrorClass::kFatal, cannot(socket, "hear the collector at", int(result)),
                  int(-result));
  }
  if (answer.empty()) {
    return fatal("the collector at " + socket +
                 " has closed the connection: it is another user's, or was just stopped");
  }
  return answer;
}

}  // namespace sluice::collector
