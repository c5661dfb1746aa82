// A program that leaves its region to a collector: the registration, what is left to do then, and
// the way back.
//
//   own backend ── hand_over(): flush, stop, retire, lock given up, registered ──► collector
//        ▲                                                                             │
//        └── take_back(): its sink is the collector's store ◄── end of the registration ┘
//
// Who has the consumer's lock consumes, whatever the answer was: it is given up before the
// collector is asked, and taken again when the answer is no, or none in time. If it cannot be taken
// then, the collector has it. A thread follows the collector as it comes and goes; it changes
// something only under `lifecycle_`. Callers notice nothing: what they say meanwhile waits in their
// rings.
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
#include "sink/sink_table.h"
#include "sluice/detail/thread_block.h"

namespace sluice::runtime {
namespace {

constexpr i64 kAnswerNs = 50'000'000;
constexpr i64 kLookNs = 1'000'000;
// Between two looks for a collector.
constexpr i64 kLinkLeastNs = 20'000'000;
constexpr i64 kLinkMostNs = 1'000'000'000;
constexpr i64 kRetryMostNs = 100'000'000;
// What our own sinks get to write what they have, and to close; a stop() may wait for it.
constexpr i64 kFlushNs = 300'000'000;
constexpr i64 kStopNs = 1'000'000'000;

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

bool Runtime::is_for_collector() const {
  const bool has_sinks = !config_.sinks.empty() && !config_.console_by_default;
  return config_.collector != Collector::off && config_.mode != Mode::immediate && !has_sinks &&
         front::g_front.region.shared();
}

std::string Runtime::ingest_socket() const {
  return config_.collector_socket.empty() ? default_socket() : config_.collector_socket;
}

// A collector's place in the sink table, however it came there: the store goes on from it. Under
// the consumer's lock.
void Runtime::find_collectors_place() {
  const region::Region& region = front::g_front.region;
  if (!is_for_collector()) return;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    if (region::Marks::look(entry.state) != region::SinkState::kOpen) continue;
    const Result<back::SinkConfig> config = sink::read_entry(entry);
    if (config.ok() && sink::is_collectors(entry)) collectors_store_ = config.value();
  }
}

// True when a collector drains the region now.
bool Runtime::register_region() {
  os::close_descriptor(collector_);
  const std::string answer = ask(ingest_socket(), front::g_front.region.path(), collector_);
  if (answer != kRegistrationOk) {
    os::close_descriptor(collector_);
    say_of_link(answer);
    return false;
  }
  said_of_link_.clear();
  find_collectors_place();
  return true;
}

// Whether a collector would take the region, asked while we hold it: nothing is stopped for one
// that has no use for it, or does not answer.
bool Runtime::is_wanted() {
  int socket = -1;
  const std::string answer = ask(ingest_socket(), front::g_front.region.path(), socket);
  const bool somebody = socket >= 0;
  os::close_descriptor(socket);
  if (answer == kRegistrationHeld) return true;
  if (somebody) say_of_link(answer);
  return false;
}

void Runtime::say_of_link(const std::string& sentence) {
  if (config_.quiet || sentence == said_of_link_) return;
  said_of_link_ = sentence;
  to_say_ = "sluice: " + sentence;
}

// True when a collector drains the region from now on, or nobody is to. Our own backend, if there
// was one, has stopped; if its sinks have not got the whole journal, or the answer is no, a new one
// goes on.
bool Runtime::leave_to_collector() {
  region::Region& region = front::g_front.region;
  if (engine_) {
    const std::optional<u64> passed = engine_->retire();
    // In the collector's own place it goes on where we were.
    if (!passed && !collectors_store_) return false;
    if (passed) region::Marks::set(region.header().handed_over, *passed);
    for (u32 i = 0; i < region::kSinksMax; ++i) {
      region::SinkEntry& entry = region.sink(i);
      if (sink::is_collectors(entry)) continue;
      region::Marks::set(entry.state, region::SinkState::kUnused);
    }
  }
  if (region.give_up_consumer() != 0) return false;
  if (!left_to_collector_ && !register_region() && config_.collector != Collector::only &&
      region.take_consumer() == 0) {
    return false;
  }
  const Locked lock(mutex_);
  left_to_collector_ = true;
  engine_.reset();
  return true;
}

// A descriptor for it may be missing; then nobody follows, and everything stays as it was found.
void Runtime::start_link() {
  if (config_.collector != Collector::automatic || !is_for_collector()) return;
  if (!unlink_) unlink_.emplace();
  if (unlink_->fd() >= 0) link_ = std::thread([this] { link_main(); });
}

// Under lifecycle_, without which the thread changes nothing.
void Runtime::end_link() {
  if (!link_.joinable()) return;
  unlink_->raise();
  link_.join();
  unlink_->lower();
}

void Runtime::link_main() {
  os::block_signals();
  os::set_thread_name("sluice-link");
  detail::t_block.in_sink = 1;
  for (link_pause_ns_ = kLinkLeastNs;;) {
    const i64 wait_ns = collector_ < 0 ? link_pause_ns_ : -1;
    if (os::wait_readable(unlink_->fd(), collector_, wait_ns).first) return;
    std::string to_say;
    {
      const std::unique_lock only(lifecycle_, std::try_to_lock);
      if (only.owns_lock()) {
        follow_collector();
        to_say.swap(to_say_);
      } else if (os::wait_readable(unlink_->fd(), -1, kLookNs).first) {
        return;
      }
    }
    if (!to_say.empty()) report(to_say);
  }
}

// Who consumes is asked of the kernel each time, never remembered.
void Runtime::follow_collector() {
  if (left_to_collector_) {
    if (register_region()) return;
    // It may be held for a moment by who was killed, or by one that stores what it has.
    link_pause_ns_ = take_back() ? kLinkMostNs : std::min(2 * link_pause_ns_, kRetryMostNs);
    return;
  }
  link_pause_ns_ = std::min(2 * link_pause_ns_, kLinkMostNs);
  if (engine_->left_behind()) {
    // A sink that hung when we wanted to hand over, and still uses its place in the region.
    if (!engine_->has_ended()) return;
    (void)engine_->stop(os::monotonic_ns(), true);
    (void)end_hand_over();
  } else if (is_wanted() && hand_over()) {
    link_pause_ns_ = kLinkLeastNs;
  }
}

// The collector has gone.
bool Runtime::take_back() {
  region::Region& region = front::g_front.region;
  if (region.take_consumer() != 0) return false;
  if (go_on_alone()) return true;
  (void)region.give_up_consumer();
  return false;
}

bool Runtime::go_on_alone() {
  const std::string problem = make_engine();
  if (!problem.empty()) {
    say_of_link(problem);
    return false;
  }
  start_draining();
  engine_->start_sinks();
  return true;
}

// A collector has come: it gets what our own sinks have not, when they have all of the journal.
bool Runtime::hand_over() {
  const i64 now = os::monotonic_ns();
  if (!wait_for_starter(now)) return false;
  if (!collectors_store_ && engine_->flush(true, now + kFlushNs).behind != 0) return false;
  (void)engine_->stop(os::monotonic_ns() + kStopNs, true);
  keep_what_is_stuck();
  return !engine_->left_behind() && end_hand_over();
}

bool Runtime::end_hand_over() {
  if (leave_to_collector()) return true;
  if (go_on_alone()) return false;
  (void)front::g_front.region.give_up_consumer();
  const Locked lock(mutex_);
  left_to_collector_ = true;
  engine_.reset();
  return false;
}

}  // namespace sluice::runtime
