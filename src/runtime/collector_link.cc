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
#include <new>
#include <system_error>

#include "base/fixed_text.h"
#include "base/registration_message.h"
#include "front/front.h"
#include "os/child.h"
#include "os/fork.h"
#include "os/process.h"
#include "record/escape.h"
#include "region/marks.h"
#include "runtime/collector_socket.h"
#include "runtime/runtime.h"
#include "sink/sink_table.h"
#include "sluice/detail/thread_block.h"

namespace sluice::runtime {
namespace {

constexpr i64 kLookNs = 1'000'000;
constexpr i64 kRequestsNs = 200'000'000;  // between two looks, while a collector drains
// Between two looks for a collector.
constexpr i64 kLinkLeastNs = 20'000'000;
constexpr i64 kRetryMostNs = 100'000'000;
// What our own sinks get to write what they have, and to close; a stop() may wait for it.
constexpr i64 kFlushNs = 300'000'000;
constexpr i64 kStopNs = 1'000'000'000;

}  // namespace

bool Runtime::wants_collector() const {
  return config_.collector != Collector::off && config_.mode != Mode::immediate &&
         front::g_front.region.shared();
}

bool Runtime::has_own_sinks() const {
  return !config_.sinks.empty() && !config_.console_by_default;
}

std::string Runtime::ask_collector(u32 place, int& socket) const {
  return ask(config_.collector_socket, front::g_front.region.path(), place, socket);
}

// A collector's place in the sink table, however it came there: the store goes on from it. Under
// the consumer's lock.
void Runtime::find_collectors_place() {
  const region::Region& region = front::g_front.region;
  if (!wants_collector()) return;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    if (region::Marks::look(entry.state) != region::SinkState::kOpen) continue;
    const Result<back::SinkConfig> config = sink::read_entry(entry);
    if (config.ok() && sink::is_collectors(entry)) collectors_store_ = config.value();
  }
}

// True when a collector drains the region now.
bool Runtime::register_region() {
  hang_up(collector_);
  const std::string answer = ask_collector(kRegistrationDrain, collector_);
  if (answer != kRegistrationOk) {
    hang_up(collector_);
    say_of_link(answer);
    return false;
  }
  said_of_link_.clear();
  to_say_.clear();  // it is over, said or not
  find_collectors_place();
  return true;
}

// Whether a collector would take the region, asked while we hold it: nothing is stopped for one
// that has no use for it, or does not answer.
bool Runtime::is_wanted() {
  int socket = -1;
  const std::string answer = ask_collector(kRegistrationDrain, socket);
  const bool somebody = socket >= 0;
  hang_up(socket);
  if (answer == kRegistrationHeld) return true;
  if (somebody) say_of_link(answer);
  return false;
}

// `untrusted`: nothing in it is to be obeyed by a terminal.
void Runtime::say_of_link(const std::string& untrusted) {
  const std::string sentence = escaped(TextForm::kText, untrusted);
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
  if (!wants_collector()) return;
  // What is left to it is left for good in mode `only`.
  if (config_.collector == Collector::only && !has_own_sinks()) return;
  if (!unlink_) {
    const os::DescriptorChange change;
    os::close_in_child(unlink_.emplace().fd());
  }
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
    const bool linked = collector_ >= 0;
    const i64 wait_ns = !linked ? link_pause_ns_ : is_left_to_collector() ? kRequestsNs : -1;
    const os::Readable ready = os::wait_readable(unlink_->fd(), collector_, wait_ns);
    if (ready.first) return;
    take_request();
    if (linked && !ready.second) continue;
    const std::unique_lock only(lifecycle_, std::try_to_lock);
    if (only.owns_lock()) {
      try {
        follow_collector();
      } catch (const std::system_error& error) {
        say_of_link(std::string("no thread is to be had: ") + error.what());
      } catch (const std::bad_alloc&) {
        say_of_link("no memory to follow the collector");
      }
      if (!to_say_.empty() && report_at_once(to_say_)) to_say_.clear();
    } else if (os::wait_readable(unlink_->fd(), -1, kLookNs).first) {
      return;
    }
  }
}

// Who consumes is asked of the kernel each time, never remembered.
void Runtime::follow_collector() {
  if (has_own_sinks()) return follow_reader();
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
  try {
    start_draining();
    engine_->start_sinks();
    return true;
  } catch (const std::system_error& error) {
    say_of_link(std::string("no thread is to be had to go on alone: ") + error.what());
  }
  (void)engine_->stop(os::monotonic_ns(), true);
  const Locked lock(mutex_);
  left_to_collector_ = true;
  engine_.reset();
  return false;
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
