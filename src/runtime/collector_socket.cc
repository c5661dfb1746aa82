#include "runtime/collector_socket.h"

#include "base/registration_message.h"
#include "os/child.h"
#include "os/fork.h"
#include "os/io.h"
#include "os/process.h"
#include "os/unix_socket.h"

namespace sluice::runtime {
namespace {

constexpr i64 kAnswerNs = 50'000'000;

// The collector's line, without its end; empty: none in time.
std::string answer_on(int socket, const std::string& message, i64 deadline_ns) {
  // One that refuses at once may have hung up before this: its answer is there.
  (void)os::send_some(socket, message.data(), message.size());
  std::string answer;
  while (answer.size() < kRegistrationAnswerMax && !answer.ends_with('\n')) {
    const i64 left = deadline_ns - os::monotonic_ns();
    if (left <= 0 || os::wait_socket(socket, os::kReadable, left) <= 0) return {};
    char bytes[kRegistrationAnswerMax];
    const i64 got = os::receive_some(socket, bytes, sizeof bytes - answer.size());
    if (got <= 0) return {};
    answer.append(bytes, std::size_t(got));
  }
  if (answer.ends_with('\n')) answer.pop_back();
  return answer;
}

}  // namespace

std::string default_ingest_socket() {
  if (os::user_id() == 0) return "/run/sluice/ingest.sock";
  const std::string own = os::runtime_directory();
  return (own.empty() ? "/dev/shm/sluice-" + std::to_string(os::user_id()) : own + "/sluice") +
         "/ingest.sock";
}

std::string connect_collector(const std::string& path, int& socket) {
  int error = 0;
  {
    const os::DescriptorChange change;
    error = socket = os::connect_unix(path);
    os::close_in_child(socket);
  }
  if (socket < 0) {
    socket = -1;
    return "no collector listens at " + path + ": " + os::error_text(error);
  }
  os::Peer peer;
  if (os::peer_of(socket, peer) != 0 || (peer.uid != os::user_id() && peer.uid != 0)) {
    return "the collector at " + path + " is another user's";
  }
  return {};
}

std::string ask(const std::string& wanted, const std::string& region, u32 place, int& socket) {
  const std::string path = wanted.empty() ? default_ingest_socket() : wanted;
  const std::string problem = connect_collector(path, socket);
  if (!problem.empty()) return problem;
  const RegistrationHead head{kRegistrationMagic, kRegistrationVersion, u16(region.size()), place,
                              0};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  const std::string answer = answer_on(socket, message + region, os::monotonic_ns() + kAnswerNs);
  return answer.empty() ? "the collector at " + path + " does not answer" : answer;
}

void hang_up(int& socket) {
  const os::DescriptorChange change;
  os::forget_in_child(socket);
  os::close_descriptor(socket);
}

}  // namespace sluice::runtime
