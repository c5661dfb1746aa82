// A program that leaves its region to a collector: the registration, and what is left to do then.
//
// Who has the consumer's lock consumes, whatever the answer was: it is given up before the
// collector is asked, and taken again when the answer is no, or none in time. If it cannot be taken
// then, the collector has it.
#include <algorithm>

#include "base/fixed_text.h"
#include "base/registration_message.h"
#include "front/front.h"
#include "os/child.h"
#include "os/process.h"
#include "os/unix_socket.h"
#include "record/escape.h"
#include "region/marks.h"
#include "runtime/runtime.h"

namespace sluice::runtime {
namespace {

constexpr i64 kAnswerNs = 50'000'000;
constexpr i64 kLookNs = 1'000'000;

std::string default_socket() {
  if (os::user_id() == 0) return "/run/sluice/ingest.sock";
  const std::string own = os::runtime_directory();
  return (own.empty() ? "/dev/shm/sluice-" + std::to_string(os::user_id()) : own + "/sluice") +
         "/ingest.sock";
}

// The collector's line, without its end and with nothing in it that a terminal would obey; empty:
// none in time.
std::string answer_on(int socket, const std::string& message, i64 deadline_ns) {
  if (os::send_some(socket, message.data(), message.size()) != i64(message.size())) return {};
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
  return escaped(TextForm::kText, answer);
}

// "ok", or what went wrong.
std::string ask(const std::string& path, const std::string& region, int& socket) {
  socket = os::connect_unix(path);
  if (socket < 0) return "no collector listens at " + path + ": " + os::error_text(socket);
  os::Peer peer;
  if (os::peer_of(socket, peer) != 0 || (peer.uid != os::user_id() && peer.uid != 0)) {
    return "the collector at " + path + " is another user's";
  }
  const RegistrationHead head{kRegistrationMagic, kRegistrationVersion, u16(region.size())};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  const std::string answer = answer_on(socket, message + region, os::monotonic_ns() + kAnswerNs);
  return answer.empty() ? "the collector at " + path + " does not answer" : answer;
}

}  // namespace

// True when a collector drains the region from now on, or nobody is to.
bool Runtime::leave_to_collector() {
  region::Region& region = front::g_front.region;
  const bool has_sinks = !config_.sinks.empty() && !config_.console_by_default;
  // A region says nothing of further names of secrets, so a collector would store their values.
  const bool has_secrets = !config_.redact.empty();
  if (config_.collector == Collector::off || config_.mode == Mode::immediate || has_sinks ||
      has_secrets || !region.shared() || (engine_ && !engine_->all_delivered())) {
    return false;
  }
  // Places of an earlier start, which has delivered everything: nobody serves them any more.
  for (u32 i = 0; engine_ && i < region::kSinksMax; ++i) {
    region::Marks::set(region.sink(i).state, region::SinkState::kUnused);
  }
  if (region.give_up_consumer() != 0) return false;
  const std::string path =
      config_.collector_socket.empty() ? default_socket() : config_.collector_socket;
  if (!left_to_collector_) {
    const std::string answer = ask(path, region.path(), collector_);
    if (answer != "ok") os::close_descriptor(collector_);
    if (answer != "ok" && !config_.quiet) report("sluice: " + answer);
    left_to_collector_ =
        answer == "ok" || config_.collector == Collector::only || region.take_consumer() != 0;
  }
  if (left_to_collector_) engine_.reset();
  return left_to_collector_;
}

// What threads have published is in the journal when their rings are empty, and stored when the
// collector's place in the sink table has passed it: words in the region, which it writes.
FlushResult Runtime::wait_for_collector(i64 deadline_ns, std::string& problem) {
  region::Region& region = front::g_front.region;
  // relaxed: slots that came into use later hold nothing that was said before
  const u32 slots = region.wake().slots_used.load(std::memory_order_relaxed);
  std::vector<u64> heads(slots);
  for (u32 i = 0; i < slots; ++i) {
    const region::RingLines* const lines = region.lines_of(region.slots()[i]);
    // acquire: with leave(): the records before it (P1)
    if (lines) heads[i] = lines->head.load(detail::RingOrders::read_head);
  }
  const auto merged = [&] {
    for (u32 i = 0; i < slots; ++i) {
      const region::RingLines* const lines = region.lines_of(region.slots()[i]);
      // acquire: the collector's writes before its tail (P2)
      if (lines && i64(lines->tail.load(detail::RingOrders::read_tail) - heads[i]) < 0) {
        return false;
      }
    }
    return true;
  };
  const auto stored = [&](u64 position) {
    for (u32 i = 0; i < region::kSinksMax; ++i) {
      const region::SinkEntry& entry = region.sink(i);
      if (region::Marks::look(entry.state) != region::SinkState::kOpen) continue;
      // acquire: the store's commit before it (P4)
      return i64(entry.cursor_position.load(JournalOrders::read_cursor) - position) >= 0;
    }
    return false;
  };
  FlushResult result;
  result.sinks = 1;
  bool is_merged = false;
  u64 committed = 0;
  for (;;) {
    if (!is_merged && merged()) {
      is_merged = true;
      // acquire: with the collector's write of it (P3)
      committed = region.journal_lines().committed.load(JournalOrders::read_committed);
    }
    if (is_merged && stored(committed)) {
      result.complete = true;
      return result;
    }
    if (os::monotonic_ns() >= deadline_ns) break;
    os::sleep_ns(kLookNs);
  }
  result.behind = 1;
  problem = "sluice: flush(): not in time: the collector; what is behind is kept in " +
            std::string(region.path());
  return result;
}

}  // namespace sluice::runtime
