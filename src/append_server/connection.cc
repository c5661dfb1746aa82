#include "append_server/connection.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "append/protocol.h"
#include "append_server/python_error.h"
#include "append_server/units.h"
#include "base/durations.h"
#include "os/process.h"

namespace sluice::append_server {
namespace {

// A turn ends here though there is more: others of the same file, or of other files, want theirs.
constexpr int kRoundsMax = 16;
// Longer lines are written in pieces even beside other clients'.
constexpr std::size_t kLineBytesMax = 1 << 20;
// How long a client may leave its acknowledgements unread at the end.
constexpr i64 kEndWaitNs = 5000 * kNsPerMs;
constexpr i64 kLookForLineNs = 5 * kNsPerMs;
// How soon a FIFO's reader is looked for again: at first, and after a while.
constexpr i64 kOpenAgainNsLeast = 5 * kNsPerMs;
constexpr i64 kOpenAgainNsMost = 500 * kNsPerMs;

u64 mixed(u64 value) { return value * 0x9e3779b97f4a7c15; }

// The first two directories of a path: where file systems are mounted, without asking them.
std::string_view mount_of(std::string_view path) {
  std::size_t end = 0;
  for (int i = 0; i < 2; ++i) {
    const std::size_t next = path.find('/', end + 1);
    if (next == std::string_view::npos) break;
    end = next;
  }
  return path.substr(0, end);
}

// 0 is never.
void earlier(i64& wake_ns, i64 time_ns) {
  if (time_ns != 0 && (wake_ns == 0 || time_ns < wake_ns)) wake_ns = time_ns;
}

}  // namespace

Connection::Connection(Shared& shared, u64 id, int socket, u32 user, std::shared_ptr<ByteRate> rate,
                       i64 now_ns)
    : shared_(shared),
      id_(id),
      socket_(socket),
      user_(user),
      rate_(std::move(rate)),
      deadline_ns_(now_ns + i64(shared.options.greeting_ms_max) * kNsPerMs) {}

Connection::~Connection() {
  if (piece_from_ns_) rate_->give_back(rate_->piece());
  close_file();
  os::close_file(socket_);
}

u64 Connection::key() const {
  // The two lowest bits keep the kinds apart.
  switch (state_) {
    case State::kGreeting:
      return id_ << 2;
    case State::kOpening:
      return std::hash<std::string>()(greeting_.path()) << 2 | 1;
    case State::kData:
      break;
  }
  return (mixed(file_->key.device) ^ file_->key.inode) << 2 | 2;
}

u64 Connection::place() const {
  switch (state_) {
    case State::kGreeting:
      return 0;
    case State::kOpening:
      return std::hash<std::string_view>()(mount_of(greeting_.path())) << 2 | 1;
    case State::kData:
      break;
  }
  // A FIFO's other end says nothing about the file system that it is in.
  return file_->key.regular ? mixed(file_->key.device) << 2 | 2 : 3;
}

Connection::Next Connection::take_turn(u32 due, std::span<char> buffer) {
  more_ = waits_ = false;
  // A piece of a line is not late while its rest was not received.
  if (std::exchange(over_rate_, false)) held_since_ns_ = os::monotonic_ns();
  if ((due & kExit) != 0 && !exiting_) {
    tell_exit();
    exiting_ = true;
    os::end_receiving(socket_);  // what has come can still be received
  }
  switch (state_) {
    case State::kGreeting:
      greet(buffer);
      break;
    case State::kOpening:
      open();
      break;
    case State::kData:
      take_data(buffer);
      break;
  }
  return next();
}

void Connection::tell_exit() {
  // relaxed: nothing is read through it; that it is one exchange is what matters.
  if (!told_exit_.exchange(true, std::memory_order_relaxed)) (void)reply(append::kServerExited);
}

bool Connection::reply(std::string_view text) {
  const std::string message = std::string(text) + '\0';
  const i64 sent = os::send_apart(socket_, message.data(), message.size(), shared_.carried);
  if (sent == i64(message.size())) return true;
  if (sent >= 0 || sent == -EAGAIN) {
    shared_.say(true, "Client " + std::to_string(id_) + " sock not writeable");
  }
  return false;
}

// At the end of the server what has come is written at once.
bool Connection::may_receive(i64 now_ns) {
  if (!rate_ || exiting_) return true;
  if (!piece_from_ns_) piece_from_ns_ = rate_->take_piece(now_ns);
  over_rate_ = now_ns < *piece_from_ns_;
  if (over_rate_) count(shared_.counters.rate_waits);
  return !over_rate_;
}

Connection::Input Connection::receive(std::span<char> buffer, std::size_t& got) {
  got = 0;
  if (!may_receive(os::monotonic_ns())) return Input::kNothingNow;
  if (piece_from_ns_) buffer = buffer.first(std::min<std::size_t>(buffer.size(), rate_->piece()));
  const i64 result = os::receive_some(socket_, buffer.data(), buffer.size());
  if (result > 0) got = std::size_t(result);
  if (piece_from_ns_) rate_->give_back(rate_->piece() - got);
  piece_from_ns_.reset();
  if (result > 0) return Input::kMore;
  if (result == -EAGAIN) return Input::kNothingNow;
  return result == 0 ? Input::kEnd : Input::kReset;
}

void Connection::greet(std::span<char> buffer) {
  std::size_t got = 0;
  const Input input = receive(buffer, got);
  const std::string_view bytes(buffer.data(), got);
  const std::size_t taken = greeting_.take(bytes);
  if (!greeting_.error().empty()) {
    const bool long_path = greeting_.error() == append::kPathTooLong;
    shared_.say(true, "Client " + std::to_string(id_) + " error, " +
                          (long_path ? "path too long" : "not an absolute path: ") +
                          (long_path ? "" : shown_path(greeting_.path())));
    return fail(greeting_.error(), bytes.size() - taken);
  }
  if (greeting_.done()) {
    hold(bytes.substr(taken));
    state_ = State::kOpening;
    more_ = true;
  } else if (input == Input::kEnd) {
    end(exiting_ ? std::string_view() : append::kBye);
  } else if (input == Input::kReset) {
    end({});
  } else if (!over_rate_ && os::monotonic_ns() >= deadline_ns_) {
    fail("TimeoutError: [Errno 110] no path came in time", 0);
  } else {
    more_ = input == Input::kMore;
  }
}

void Connection::open() {
  const std::string& path = greeting_.path();
  fd_ = shared_.limits.directories()->open_to_append(path);
  if (fd_ == -EAGAIN && !exiting_) {
    open_again_ns_ = std::clamp(2 * open_again_ns_, kOpenAgainNsLeast, kOpenAgainNsMost);
    waits_ = true;
    return;
  }
  if (fd_ == -EAGAIN) fd_ = -ENXIO;  // as one hears who does not wait for a reader
  os::FileKey key;
  const int error = fd_ < 0 ? fd_ : os::file_key(fd_, key);
  if (error < 0) {
    count(shared_.counters.opens_failed);
    shared_.say(true, "Client " + std::to_string(id_) + " access denied for " + shown_path(path) +
                          ":\n" + python_error(error));
    return fail(python_error(error, path), held_.size());
  }
  count(shared_.counters.files_opened);
  file_ = shared_.files.join(key);
  state_ = State::kData;
  opened_ = more_ = true;  // what is written to it belongs to a turn of the file's
}

void Connection::take_data(std::span<char> buffer) {
  Input input = Input::kNothingNow;
  if (held_.empty()) tell_opened();
  for (int round = 0; round < kRoundsMax; ++round) {
    if (others_line_is_open(os::monotonic_ns())) {
      waits_ = true;
      break;
    }
    std::size_t got = 0;
    // What came with the path is written before the client is told of the file.
    if (opened_) {
      input = Input::kMore;
    } else {
      input = input_ended_ ? Input::kEnd : receive(buffer, got);
    }
    if (over_rate_) break;
    input_ended_ = input_ended_ || input == Input::kEnd || input == Input::kReset;
    told_bye_ = told_bye_ || input == Input::kReset;  // there is nobody to tell
    if (!append({buffer.data(), got})) return;
    tell_opened();
    if (input != Input::kMore) break;
  }
  more_ = input == Input::kMore && !waits_;
  const i64 now_ns = os::monotonic_ns();
  if (!opened_ && now_ns >= rotation_due_ns_) look_for_rotation(now_ns);
  const bool ends = input_ended_ && !waits_ && held_.empty();
  if (!sync_if_due(now_ns, ends)) return;
  acknowledge();
  if (ends) end_of_input(now_ns);
}

void Connection::tell_opened() {
  if (!std::exchange(opened_, false)) return;
  shared_.say(false, "Client " + std::to_string(id_) + " opened " + shown_path(greeting_.path()));
  (void)reply(append::kOk);
  rotation_due_ns_ = os::monotonic_ns() + shared_.limits.rotation_check_ns();
}

bool Connection::others_line_is_open(i64 now_ns) {
  if (!file_->mid_line || *file_->mid_line == id_) {
    waiting_since_ns_ = 0;
    return false;
  }
  if (waiting_since_ns_ == 0) waiting_since_ns_ = now_ns;
  // Of a line without an end every piece is new, so what counts is also how long this one waits.
  const i64 since_ns = std::min(file_->mid_line_since_ns, waiting_since_ns_);
  if (now_ns < since_ns + i64(shared_.options.line_hold_ms) * kNsPerMs) return true;
  // It has had its time: others are not kept from the file by a piece of a line.
  count(shared_.counters.lines_split);
  file_->mid_line.reset();
  waiting_since_ns_ = 0;
  return false;
}

bool Connection::append(std::string_view bytes) {
  // Behind what is held, in place, so that a long line in small pieces is not copied for each.
  if (!held_.empty()) {
    held_ += bytes;
    count(shared_.counters.held_bytes, bytes.size());
    bytes = held_;
  }
  if (bytes.empty()) return true;
  std::size_t done = 0;
  const bool good =
      greeting_.terms().records ? append_records(bytes, done) : append_lines(bytes, done);
  if (!good) return false;
  if (held_.empty()) {
    hold(bytes.substr(done));
  } else if (done > 0) {
    held_.erase(0, done);
    if (held_.empty()) held_.shrink_to_fit();
    shared_.counters.held_bytes.fetch_sub(done, std::memory_order_relaxed);  // relaxed: a count
    held_since_ns_ = os::monotonic_ns();
  }
  return true;
}

void Connection::hold(std::string_view rest) {
  if (rest.empty()) return;
  held_ = rest;
  held_since_ns_ = os::monotonic_ns();
  count(shared_.counters.held_bytes, rest.size());
}

bool Connection::append_lines(std::string_view bytes, std::size_t& done) {
  const i64 now_ns = os::monotonic_ns();
  const bool alone =
      file_->clients.load(std::memory_order_relaxed) <= 1;  // relaxed: a hint, OpenFile
  done = alone ? bytes.size() : whole_lines(bytes);
  const bool held_long =
      !held_.empty() && now_ns >= held_since_ns_ + i64(shared_.options.line_hold_ms) * kNsPerMs;
  if (input_ended_ || held_long || bytes.size() - done > kLineBytesMax ||
      shared_.counters.held_bytes.load(std::memory_order_relaxed) >  // relaxed: a bound, not exact
          shared_.limits.held_bytes_max()) {
    if (!alone && done < bytes.size() && bytes.back() != '\n') count(shared_.counters.lines_split);
    done = bytes.size();
  }
  if (done == 0) return true;
  if (!write_fully(bytes.substr(0, done))) return false;
  taken_bytes_ += done;
  file_->mid_line.reset();
  if (bytes[done - 1] != '\n') file_->mid_line = id_;
  file_->mid_line_since_ns = now_ns;
  return true;
}

bool Connection::append_records(std::string_view bytes, std::size_t& done) {
  const Records records = whole_records(bytes);
  std::string together;
  for (const std::string_view record : records.contents) together += record;
  if (!together.empty() && !write_fully(together)) return false;
  file_->mid_line.reset();
  done = records.bytes;
  taken_bytes_ += done;
  if (records.too_long) {
    fail("ValueError: a record is longer than " + std::to_string(append::kRecordSizeMax) + " bytes",
         bytes.size() - done);
    return false;
  }
  const bool late =
      os::monotonic_ns() >= held_since_ns_ + i64(shared_.options.greeting_ms_max) * kNsPerMs;
  if (done == bytes.size()) return true;
  const u64 held_bytes =
      shared_.counters.held_bytes.load(std::memory_order_relaxed);  // relaxed: as above
  if (!input_ended_ && held_bytes - held_.size() > shared_.limits.held_bytes_max()) {
    fail(python_error(EAGAIN) + ": too much is held of records that are not whole; try again later",
         bytes.size() - done);
    return false;
  }
  if (!input_ended_ && (held_.empty() || !late || done > 0)) return true;
  fail(input_ended_ ? "ValueError: the last record is not whole"
                    : "TimeoutError: [Errno 110] the rest of a record did not come in time",
       bytes.size() - done);
  return false;
}

bool Connection::write_fully(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    i64 result = os::append_some(fd_, bytes.data() + done, bytes.size() - done);
    if (result == 0) result = -EIO;
    if (result < 0) {
      count(shared_.counters.bytes_written, done);
      count(shared_.counters.writes_failed);
      shared_.say(true, "Failed to write to " + shown_path(greeting_.path()) + ":\n" +
                            python_error(int(result)));
      fail(python_error(int(result)), bytes.size() - done);
      return false;
    }
    done += std::size_t(result);
  }
  count(shared_.counters.bytes_written, done);
  if (greeting_.terms().sync && unsynced_since_ns_ == 0) unsynced_since_ns_ = os::monotonic_ns();
  return true;
}

bool Connection::sync_if_due(i64 now_ns, bool ends) {
  const Terms& terms = greeting_.terms();
  if (!terms.sync || synced_bytes_ == taken_bytes_) return true;
  const bool due = terms.sync_interval_ms > 0 &&
                   now_ns >= unsynced_since_ns_ + terms.sync_interval_ms * kNsPerMs;
  if (!ends && !due) return true;
  int error = os::sync_file(fd_);
  if (error == 0 && synced_bytes_ == 0) error = os::sync_name(fd_);
  if (error < 0) {
    count(shared_.counters.writes_failed);
    shared_.say(true,
                "Failed to sync " + shown_path(greeting_.path()) + ":\n" + python_error(error));
    fail(python_error(error), held_.size());
    return false;
  }
  synced_bytes_ = taken_bytes_;
  unsynced_since_ns_ = 0;
  return true;
}

void Connection::acknowledge() {
  const Terms& terms = greeting_.terms();
  const u64 reached = terms.sync ? synced_bytes_ : taken_bytes_;
  if (!terms.ack || reached == acked_bytes_) return;
  const std::string text = std::string(append::kAckPrefix) + std::to_string(reached) + '\0';
  const i64 sent = os::send_some(socket_, text.data(), text.size());
  ack_waits_ = sent == -EAGAIN;
  if (!ack_waits_) acked_bytes_ = reached;
}

void Connection::look_for_rotation(i64 now_ns) {
  rotation_due_ns_ = now_ns + shared_.limits.rotation_check_ns();
  if (told_rotated_) return;
  os::FileKey key;
  const int error = shared_.limits.directories()->look_up(greeting_.path(), key);
  const bool moved = error == -ENOENT || error == -ENOTDIR;
  if (!moved && (error < 0 || key == file_->key)) return;
  told_rotated_ = reply(append::kRotated);
  if (!told_rotated_) return;
  count(shared_.counters.rotations);
  shared_.say(false, "File rotation detected: " + shown_path(greeting_.path()));
}

void Connection::end_of_input(i64 now_ns) {
  if (ack_waits_) {
    if (!ending_) deadline_ns_ = now_ns + kEndWaitNs;
    ending_ = true;
    if (now_ns < deadline_ns_) return;
  }
  end(exiting_ || told_bye_ ? std::string_view() : append::kBye);
}

void Connection::fail(std::string_view text, std::size_t unwritten) {
  (void)reply(text);
  // What is left unread would reset the connection, and the client might never see why.
  os::end_receiving(socket_);
  u64 dropped = unwritten;
  char buffer[4096];
  i64 got = 0;
  while ((got = os::receive_some(socket_, buffer, sizeof buffer)) > 0) dropped += u64(got);
  count(shared_.counters.bytes_dropped, dropped);
  shared_.say(false, "Closing connection with client " + std::to_string(id_));
  close();
}

void Connection::end(std::string_view last) {
  if (!last.empty()) (void)reply(last);
  shared_.say(false, exiting_ ? "Closing connection with client " + std::to_string(id_)
                              : "Client " + std::to_string(id_) + " disconnected");
  close();
}

// The socket first: the client's end waits for no file.
void Connection::close() {
  os::end_sending(socket_);
  os::end_receiving(socket_);
  over_ = true;
  close_file();
}

void Connection::close_file() {
  shared_.counters.held_bytes.fetch_sub(held_.size(),
                                        std::memory_order_relaxed);  // relaxed: a count
  held_.clear();
  if (!file_) return;
  if (file_->mid_line == id_) file_->mid_line.reset();
  shared_.files.leave(std::exchange(file_, nullptr));
  os::close_file(fd_);
  shared_.say(false, "Client " + std::to_string(id_) + " closed " + shown_path(greeting_.path()));
}

Connection::Next Connection::next() const {
  if (over_) return {.over = true};
  Next next{.again = more_};
  const ServiceOptions& options = shared_.options;
  if (!waits_ && !over_rate_ && !input_ended_) next.wanted |= os::kReadable;
  if (ack_waits_) next.wanted |= os::kWritable;
  if (over_rate_) earlier(next.wake_ns, *piece_from_ns_);
  if ((state_ == State::kGreeting && !over_rate_) || ending_) earlier(next.wake_ns, deadline_ns_);
  if (state_ == State::kOpening && waits_) {
    earlier(next.wake_ns, os::monotonic_ns() + open_again_ns_);
  }
  if (state_ != State::kData) return next;
  if (waits_) earlier(next.wake_ns, os::monotonic_ns() + kLookForLineNs);
  if (!held_.empty() && !over_rate_) {
    const u32 hold_ms = greeting_.terms().records ? options.greeting_ms_max : options.line_hold_ms;
    earlier(next.wake_ns, held_since_ns_ + i64(hold_ms) * kNsPerMs);
  }
  if (!told_rotated_) earlier(next.wake_ns, rotation_due_ns_);
  if (unsynced_since_ns_ != 0 && greeting_.terms().sync_interval_ms > 0) {
    earlier(next.wake_ns, unsynced_since_ns_ + greeting_.terms().sync_interval_ms * kNsPerMs);
  }
  return next;
}

}  // namespace sluice::append_server
