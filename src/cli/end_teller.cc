#include "cli/end_teller.h"

#include <algorithm>

#include "os/process.h"
#include "os/unix_socket.h"
#include "runtime/collector_socket.h"

namespace sluice::cli {
namespace {

constexpr i64 kLookEveryNs = 1'000'000'000;

}  // namespace

EndTeller::EndTeller() {
  if (os::environment("SLUICE_COLLECTOR") == "off") return;
  path_ = os::environment("SLUICE_COLLECTOR_SOCKET");
  if (path_.empty()) path_ = runtime::default_ingest_socket();
}

EndTeller::~EndTeller() { runtime::hang_up(socket_); }

void EndTeller::begin(u32 pid) {
  message_.magic = kEndMagic;
  message_.version = kEndVersion;
  message_.pid = pid;
  message_.start_time = os::start_time(pid);
  message_.pid_namespace = os::pid_namespace();
  if (message_.start_time == 0 || message_.pid_namespace == 0) path_.clear();
  look();
}

i64 EndTeller::wait_ns() const {
  if (socket_ >= 0 || path_.empty()) return -1;
  return std::max<i64>(next_look_ns_ - os::monotonic_ns(), 0);
}

// A collector says nothing: what can be read is its end.
void EndTeller::look() {
  if (path_.empty()) return;
  if (socket_ >= 0 && !os::wait_readable(socket_, -1, 0).first) return;
  runtime::hang_up(socket_);
  const i64 now_ns = os::monotonic_ns();
  if (now_ns < next_look_ns_) return;
  next_look_ns_ = now_ns + kLookEveryNs;
  if (!send()) runtime::hang_up(socket_);
}

void EndTeller::tell(const os::ChildEnd& end) {
  if (path_.empty()) return;
  message_.ended = 1;
  message_.exit_code = u8(end.exit_code);
  message_.signal = u8(end.signal);
  message_.core = end.core;
  // One that has come in the last moment hears it too.
  if (!send()) {
    runtime::hang_up(socket_);
    (void)send();
  }
  runtime::hang_up(socket_);
}

bool EndTeller::send() {
  if (socket_ < 0 && !runtime::connect_collector(path_, socket_).empty()) return false;
  return os::send_some(socket_, &message_, sizeof message_) == i64(sizeof message_);
}

}  // namespace sluice::cli
