#include "collector/registrations.h"

#include <algorithm>

#include "os/child.h"
#include "os/process.h"
#include "record/escape.h"

namespace sluice::collector {
namespace {

constexpr std::size_t kConnectionsMax = 4096;

void send_line(int fd, std::string line) {
  line.resize(std::min(line.size(), kRegistrationAnswerMax - 1));
  line += '\n';
  (void)os::send_some(fd, line.data(), line.size());
}

}  // namespace

Registrations::Registrations(int listener, os::SocketPoll& poll, Take take)
    : listener_(listener), poll_(poll), take_(std::move(take)) {
  (void)poll_.add(listener_, os::kReadable, os::SocketPoll::kLevel, kListener);
}

Registrations::~Registrations() {
  for (auto& [token, connection] : connections_) os::close_descriptor(connection.fd);
  int listener = listener_;
  os::close_descriptor(listener);
}

void Registrations::on_event(const os::SocketPoll::Event& event, i64 now_ns) {
  if (event.token == kListener) return accept(now_ns);
  const auto at = connections_.find(event.token);
  if (at == connections_.end()) return;
  if ((event.events & os::kPeerGone) != 0 || !receive(at->second)) close(at);
}

void Registrations::accept(i64 now_ns) {
  int fd = os::accept_unix(listener_);
  if (fd < 0) return;
  os::Peer peer;
  const bool ours = os::peer_of(fd, peer) == 0 && peer.uid == os::user_id();
  if (!ours || connections_.size() >= kConnectionsMax) {
    send_line(fd, ours ? "no more connections are taken"
                       : "this collector drains the regions of another user");
    return os::close_descriptor(fd);
  }
  const u64 token = next_token_++;
  if (poll_.add(fd, os::kReadable, os::SocketPoll::kLevel, token) != 0) {
    return os::close_descriptor(fd);
  }
  connections_[token] = {
      .fd = fd, .since_ns = now_ns, .answered = false, .received = {}, .region = {}};
}

bool Registrations::receive(Connection& connection) {
  char bytes[sizeof(RegistrationHead) + kRegistrationPathMax];
  const i64 got = os::receive_some(connection.fd, bytes, sizeof bytes);
  if (got == -EAGAIN) return true;
  // Nothing is to be said after the answer.
  if (got <= 0 || connection.answered) return false;
  std::string& received = connection.received;
  received.append(bytes, std::size_t(got));
  if (received.size() < sizeof(RegistrationHead)) return true;
  const auto head = load<RegistrationHead>(received.data());
  if (head.magic != kRegistrationMagic) return answer(connection, "not a registration");
  if (head.version != kRegistrationVersion) {
    return answer(connection, "a registration of another version; use the same Sluice for both");
  }
  if (head.path_bytes > kRegistrationPathMax) return answer(connection, "the path is too long");
  if (received.size() < sizeof head + head.path_bytes) return true;
  if (received.size() > sizeof head + head.path_bytes) {
    return answer(connection, "there is something behind the registration");
  }
  const std::string region = received.substr(sizeof head);
  if (!answer(connection, take_(region))) return false;
  connection.region = region;
  return true;
}

bool Registrations::answer(Connection& connection, const std::string& problem) {
  connection.answered = true;
  connection.received.clear();
  send_line(connection.fd,
            problem.empty() ? std::string(kRegistrationOk) : escaped(TextForm::kText, problem));
  return problem.empty();
}

void Registrations::expire(i64 now_ns) {
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto next = std::next(at);
    if (!at->second.answered && now_ns - at->second.since_ns > kSilenceNs) close(at);
    at = next;
  }
}

void Registrations::end(const std::string& region) {
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto next = std::next(at);
    if (at->second.region == region) close(at);
    at = next;
  }
}

void Registrations::close(std::map<u64, Connection>::iterator at) {
  poll_.remove(at->second.fd);
  os::close_descriptor(at->second.fd);
  connections_.erase(at);
}

}  // namespace sluice::collector
