#include "append/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/durations.h"
#include "os/child.h"
#include "os/fork.h"
#include "os/io.h"
#include "record/escape.h"

namespace sluice::append {
namespace {

constexpr i64 kBacklogPauseNs = 2 * kNsPerMs;
constexpr i64 kPauseNsMin = 20 * kNsPerMs;
constexpr i64 kPauseNsMax = 1000 * kNsPerMs;
// So much of one file before the others have their turn.
constexpr std::size_t kTurnBytes = std::size_t{1} << 20;
constexpr u32 kTurnReceives = 64;
constexpr std::size_t kShownBytesMax = 600;
constexpr u32 kAlways = os::kReadable | os::kPeerEnded;

std::string shown(std::string_view untrusted) {
  const bool cut = untrusted.size() > kShownBytesMax;
  return escaped(TextForm::kText, untrusted.substr(0, kShownBytesMax)) + (cut ? "..." : "");
}

// The N of "[Errno N]"; 0 when there is none.
int errno_in(std::string_view untrusted) {
  constexpr std::string_view kMark = "[Errno ";
  const std::size_t at = untrusted.find(kMark);
  if (at == std::string_view::npos) return 0;
  const std::string_view number = untrusted.substr(at + kMark.size());
  int value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  return read.ec == std::errc() && value > 0 ? value : 0;
}

// Answers to an open that another try may not get.
bool may_pass(std::string_view untrusted) {
  const int error = errno_in(untrusted);
  return error == EMFILE || error == ENFILE || error == EAGAIN || error == EUSERS ||
         error == ENOMEM || error == ENOBUFS;
}

}  // namespace

Connection::Connection(std::shared_ptr<Proxy> proxy, os::SocketPoll& poll, u64 token)
    : proxy_(std::move(proxy)), options_(proxy_->options()), poll_(poll), token_(token) {}

Connection::~Connection() { disconnect(); }

Status Connection::failure(ErrorClass error_class, std::string_view what, int os_error) const {
  return {error_class,
          "append service at " + shown(options_.socket) + ", file " + shown(proxy_->path()) + ": " +
              std::string(what),
          os_error};
}

bool Connection::is_extended() const {
  return options_.records || options_.acknowledge || options_.sync_at_end || options_.sync_ms != 0;
}

std::string Connection::greeting() const {
  std::string text;
  if (is_extended()) {
    const auto option = [&](std::string_view word) { (text += ' ') += word; };
    text = kExtensionVersion;
    if (options_.records) option(kOptionRecords);
    if (options_.acknowledge) option(kOptionAck);
    if (options_.sync_ms != 0) {
      option(kOptionSyncPrefix);
      text += std::to_string(options_.sync_ms);
    } else if (options_.sync_at_end) {
      option(kOptionSyncPrefix);
      text += kSyncEnd;
    }
    text += '\0';
  }
  return text + proxy_->path() + '\0';
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  moved_ns_ = now_ns_;
  moved_ = true;
}

// --- connecting -------------------------------------------------------------------------------

int Connection::try_connect() {
  const os::DescriptorChange change;
  socket_ = os::connect_unix(options_.socket);
  if (socket_ < 0) return std::exchange(socket_, -1);
  os::close_in_child(socket_);
  return 0;
}

Status Connection::connect_first() {
  now_ns_ = began_ns_ = moved_ns_ = os::monotonic_ns();
  connect();
  return proxy_->first_error();
}

void Connection::connect() {
  const int error = try_connect();
  if (error == 0) {
    greeting_ = greeting();
    reader_ = {};
    sent_ = confirmed_ = 0;
    blocked_ = said_end_ = false;
    may_read_ = true;
    enter(Phase::kOpening);
    if (const int added = poll_.add(socket_, kAlways, os::SocketPoll::kEdge, token_); added < 0) {
      finish(
          failure(ErrorClass::kRetryable, "cannot wait for it: " + os::error_text(-added), -added));
    }
    return;
  }
  if (error == -EAGAIN) {
    retry_ns_ = now_ns_ + kBacklogPauseNs;
  } else if (opened_once_) {
    pause_ns_ = std::clamp(2 * pause_ns_, kPauseNsMin, kPauseNsMax);
    retry_ns_ = now_ns_ + pause_ns_;
  } else {
    const bool absent = error == -ENOENT || error == -ECONNREFUSED;
    finish(
        failure(absent ? ErrorClass::kRetryable : ErrorClass::kFatal,
                "cannot connect: " + os::error_text(-error) +
                    (absent ? "; start it with `sluice offlog --socket-file`, or name the socket "
                              "of one that runs"
                            : ""),
                -error));
  }
}

void Connection::disconnect() {
  if (socket_ < 0) return;
  const os::DescriptorChange change;
  poll_.remove(socket_);
  os::forget_in_child(socket_);
  os::close_descriptor(socket_);
}

// --- sending ----------------------------------------------------------------------------------

std::string_view Connection::to_send() {
  if (phase_ == Phase::kOpening) return greeting_;
  return phase_ == Phase::kOpen ? proxy_->queue().front() : std::string_view();
}

void Connection::sent(std::size_t bytes) {
  moved_ = true;
  moved_ns_ = now_ns_;
  if (phase_ == Phase::kOpening) {
    greeting_.erase(0, bytes);
    return;
  }
  proxy_->queue().pop(bytes);
  proxy_->add_sent(bytes);
  sent_ += bytes;
}

void Connection::send() {
  std::size_t turn = kTurnBytes;
  while (!blocked_ && turn > 0) {
    const std::string_view next = to_send().substr(0, turn);
    if (next.empty()) return;
    const i64 count = os::send_some(socket_, next.data(), next.size());
    if (count >= 0) {
      turn -= std::size_t(count);
      sent(std::size_t(count));
    } else if (count == -EAGAIN) {
      blocked_ = true;
      (void)poll_.change(socket_, kAlways | os::kWritable, os::SocketPoll::kEdge, token_);
    } else {
      // Why stands in what the server has said before.
      may_read_ = true;
      const Phase before = phase_;
      receive();
      if (phase_ == before && socket_ >= 0) going("it takes no more bytes");
      return;
    }
  }
  more_ = more_ || !blocked_;
}

void Connection::end_if_all_is_sent() {
  if (phase_ != Phase::kOpen || !proxy_->queue().is_over()) return;
  // A goodbye that is there by now answers no end, and confirms nothing.
  may_read_ = true;
  receive();
  if (phase_ != Phase::kOpen) return;
  os::end_sending(socket_);
  said_end_ = true;
  enter(Phase::kEnding);
  proxy_->set_state(Proxy::State::kSent);
}

// --- listening --------------------------------------------------------------------------------

void Connection::receive() {
  std::array<char, 4096> buffer;
  for (u32 turn = 0; may_read_ && socket_ >= 0; ++turn) {
    if (turn == kTurnReceives) {
      more_ = true;
      return;
    }
    const i64 count = os::receive_some(socket_, buffer.data(), buffer.size());
    if (count == -EAGAIN) {
      may_read_ = false;
    } else if (count < 0) {
      lost(going_.empty() ? "the connection broke: " + os::error_text(int(-count)) : going_,
           int(-count));
    } else if (count == 0) {
      lost(going_.empty() ? "it closed the connection without a word" : going_, 0);
    } else {
      const bool whole = reader_.add({buffer.data(), std::size_t(count)},
                                     [&](std::string_view message) { return heard(message); });
      if (!whole) lost("it sent a message without an end", 0);
    }
  }
}

bool Connection::heard(std::string_view untrusted) {
  moved_ = true;
  if (untrusted == kOk) {
    if (phase_ != Phase::kOpening) return true;
    moved_ns_ = now_ns_;
    opened_once_ = true;
    pause_ns_ = 0;
    proxy_->set_rotated(false);
    enter(Phase::kOpen);
    proxy_->set_state(Proxy::State::kOpen);
    return true;
  }
  if (untrusted == kRotated) {
    proxy_->set_rotated(true);
    return true;
  }
  if (untrusted == kBye) {
    if (!said_end_) {
      lost("it ended the connection before its client did", 0);
      return false;
    }
    confirm(sent_);
    finish({});
    return false;
  }
  if (options_.acknowledge && untrusted.starts_with(kAckPrefix)) {
    return heard_acknowledgement(untrusted);
  }
  if (untrusted == kServerExited) {
    going(shown(untrusted));
    return true;
  }
  if (phase_ == Phase::kGoing) {
    if (going_.size() < kShownBytesMax) going_ += "; " + shown(untrusted);
    return true;
  }
  if (phase_ == Phase::kOpening) return refused(untrusted);
  proxy_->lose(proxy_->queue().skip_rest_of_write());
  finish(failure(ErrorClass::kFatal, "it says: " + shown(untrusted), errno_in(untrusted)));
  return false;
}

bool Connection::heard_acknowledgement(std::string_view untrusted) {
  const std::string_view number = untrusted.substr(kAckPrefix.size());
  u64 bytes = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), bytes);
  if (read.ec != std::errc() || read.ptr != number.data() + number.size() || bytes > sent_) {
    lost("it acknowledged what was never sent: " + shown(untrusted), 0);
    return false;
  }
  moved_ns_ = now_ns_;
  confirm(bytes);
  proxy_->happened();
  return true;
}

bool Connection::refused(std::string_view untrusted) {
  if (untrusted == kNotAbsolute && is_extended()) {
    finish(failure(ErrorClass::kFatal,
                   "it is a server without the extension that records, acknowledge and sync need; "
                   "start `sluice offlog`, or open the file without them",
                   0));
  } else if (may_pass(untrusted) && now_ns_ - began_ns_ < i64{options_.timeout_ms} * kNsPerMs) {
    disconnect();
    phase_ = Phase::kConnecting;
    pause_ns_ = std::clamp(2 * pause_ns_, kPauseNsMin, kPauseNsMax);
    retry_ns_ = now_ns_ + pause_ns_;
  } else {
    finish(failure(may_pass(untrusted) ? ErrorClass::kRetryable : ErrorClass::kFatal,
                   "it does not open the file: " + shown(untrusted), errno_in(untrusted)));
  }
  return false;
}

void Connection::confirm(u64 of_connection) {
  if (of_connection <= confirmed_) return;
  proxy_->add_confirmed(of_connection - confirmed_);
  confirmed_ = of_connection;
}

// --- ending -----------------------------------------------------------------------------------

// The server still writes what it has been sent: until it has closed, a new one must get nothing.
void Connection::going(std::string why) {
  going_ = "it goes: " + std::move(why);
  enter(Phase::kGoing);
}

void Connection::lost(const std::string& why, int os_error) {
  Status status = failure(ErrorClass::kRetryable, why, os_error);
  disconnect();
  going_.clear();  // which may be `why`
  proxy_->lose(proxy_->queue().skip_rest_of_write());
  if (!options_.reconnect || !opened_once_ || proxy_->queue().is_over()) {
    finish(std::move(status));
    return;
  }
  proxy_->fail(std::move(status));
  proxy_->add_reconnect();
  pause_ns_ = std::clamp(2 * pause_ns_, kPauseNsMin, kPauseNsMax);
  retry_ns_ = now_ns_ + pause_ns_;
  began_ns_ = now_ns_;
  enter(Phase::kConnecting);
  proxy_->happened();
}

void Connection::finish(Status status) {
  disconnect();
  phase_ = Phase::kDone;
  proxy_->queue().end();
  proxy_->add_unsent(proxy_->queue().skip_all());
  if (!status.ok()) proxy_->fail(std::move(status));
  proxy_->set_state(Proxy::State::kEnded);
}

// --- time -------------------------------------------------------------------------------------

i64 Connection::deadline_ns() const {
  i64 deadline = kNever;
  if (phase_ == Phase::kConnecting) deadline = retry_ns_;
  const bool opens = !opened_once_ || phase_ == Phase::kOpening || phase_ == Phase::kGoing;
  if (opens || closing_ns_ != 0) {
    deadline = std::min(deadline, moved_ns_ + i64{options_.timeout_ms} * kNsPerMs);
  }
  const i64 limit = i64{options_.limit_ms} * kNsPerMs;
  if (!opened_once_) deadline = std::min(deadline, began_ns_ + limit);
  if (closing_ns_ != 0) deadline = std::min(deadline, closing_ns_ + limit);
  return deadline;
}

void Connection::check_time() {
  if (phase_ == Phase::kDone || now_ns_ < deadline_ns()) return;
  if (phase_ == Phase::kConnecting && now_ns_ >= retry_ns_) {
    connect();
    if (phase_ != Phase::kConnecting || now_ns_ < deadline_ns()) return;
  }
  const char* const what = phase_ == Phase::kConnecting ? "takes no connection"
                           : phase_ == Phase::kOpening  ? "does not answer"
                           : phase_ == Phase::kEnding   ? "does not confirm the end"
                                                        : "takes no bytes";
  const std::string why = std::string("it ") + what + " (timeout " +
                          std::to_string(options_.timeout_ms) + " ms, limit " +
                          std::to_string(options_.limit_ms) + " ms)";
  if (closing_ns_ == 0 && opened_once_ && phase_ != Phase::kConnecting) {
    lost(going_.empty() ? why : going_, 0);
    return;
  }
  proxy_->lose(proxy_->queue().skip_rest_of_write());
  finish(failure(ErrorClass::kRetryable, going_.empty() ? why : going_, ETIMEDOUT));
}

void Connection::on_event(u32 events) {
  if (events & (os::kReadable | os::kPeerEnded | os::kPeerGone)) may_read_ = true;
  if ((events & (os::kWritable | os::kPeerGone)) && blocked_) {
    blocked_ = false;
    if (socket_ >= 0) (void)poll_.change(socket_, kAlways, os::SocketPoll::kEdge, token_);
  }
}

bool Connection::has_work() { return more_ || (!blocked_ && !to_send().empty()); }

Connection::Progress Connection::pump(i64 now_ns) {
  now_ns_ = now_ns;
  moved_ = more_ = false;
  if (closing_ns_ == 0 && phase_ != Phase::kDone && proxy_->queue().has_ended()) {
    closing_ns_ = moved_ns_ = now_ns_;
  }
  receive();
  if (phase_ == Phase::kOpening || phase_ == Phase::kOpen) send();
  end_if_all_is_sent();
  check_time();
  if (phase_ == Phase::kDone) return Progress::kDone;
  if (!moved_) return Progress::kNothing;
  proxy_->happened();
  return more_ ? Progress::kBusy : Progress::kMoved;
}

}  // namespace sluice::append
