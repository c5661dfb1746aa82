#include "collector/registrations.h"

#include <algorithm>
#include <cerrno>

#include "os/child.h"
#include "os/io.h"
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

Registrations::Registrations(int listener, os::SocketPoll& poll, Take take, Gone gone)
    : listener_(listener), poll_(poll), take_(std::move(take)), gone_(std::move(gone)) {
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
  // One that has gone may have told before.
  if (receive(at->second) && (event.events & os::kPeerGone) == 0) return;
  const std::string region = at->second.region;
  close(at);
  const bool has_another =
      std::any_of(connections_.begin(), connections_.end(),
                  [&](const auto& each) { return each.second.region == region; });
  if (!region.empty() && !has_another) gone_(region);
}

void Registrations::accept(i64 now_ns) {
  int fd = os::accept_unix(listener_);
  if (fd == -EMFILE || fd == -ENFILE) return make_room();
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
  due_ns_ = std::min(due_ns_, now_ns + kSilenceNs);
  connections_[token] = {
      .fd = fd, .since_ns = now_ns, .uid = peer.uid, .received = {}, .region = {}, .process = {}};
}

// Without a descriptor to accept it by, a client would wait, and the poll report it for ever.
void Registrations::make_room() {
  reserve_.give_up_one();
  int fd = os::accept_unix(listener_);
  if (fd >= 0) {
    send_line(fd, "no descriptor is left for another connection; try again later");
    os::close_descriptor(fd);
  }
  reserve_.refill();
}

bool Registrations::receive(Connection& connection) {
  char bytes[kIngestMessageMax];
  const i64 got = os::receive_some(connection.fd, bytes, sizeof bytes);
  if (got == -EAGAIN) return true;
  // Nothing is to be said after a region was answered.
  if (got <= 0 || !connection.region.empty()) return false;
  std::string& received = connection.received;
  received.append(bytes, std::size_t(got));
  for (;;) {
    const IngestMessage message = read_ingest(received);
    if (message.kind == IngestMessage::kPart) return true;
    if (message.kind != IngestMessage::kEnd) return obey(connection, message);
    if (!note_end(connection, message)) return false;
    received.erase(0, message.bytes);
  }
}

// A registration, or what is none.
bool Registrations::obey(Connection& connection, const IngestMessage& message) {
  if (message.kind == IngestMessage::kWrong) {
    return answer(connection, {.line = std::string(message.problem)});
  }
  if (connection.received.size() > message.bytes) {
    return answer(connection, {.line = "there is something behind the registration"});
  }
  const Request request{.region = std::string(message.region), .place = message.place};
  if (!answer(connection, take_(request))) return false;
  connection.region = request.region;
  return true;
}

bool Registrations::note_end(Connection& connection, const IngestMessage& message) {
  connection.answered = true;
  connection.process = message.process;
  connection.process.uid = connection.uid;
  if (!message.end.known) return true;
  told_.add(connection.process, message.end);
  return false;
}

bool Registrations::will_tell(const ProcessName& process) const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [&process](const auto& each) { return each.second.process == process; });
}

bool Registrations::answer(Connection& connection, const Answer& answer) {
  connection.answered = true;
  connection.received.clear();
  send_line(connection.fd, answer.taken ? answer.line : escaped(TextForm::kText, answer.line));
  return answer.taken;
}

void Registrations::expire(i64 now_ns) {
  if (now_ns < due_ns_) return;
  due_ns_ = std::numeric_limits<i64>::max();
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto next = std::next(at);
    const i64 until_ns = at->second.since_ns + kSilenceNs;
    if (!at->second.answered && now_ns >= until_ns) {
      close(at);
    } else if (!at->second.answered) {
      due_ns_ = std::min(due_ns_, until_ns);
    }
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
