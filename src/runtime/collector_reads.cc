// A program with sinks of its own, whose journal a collector reads beside them.
//
// The program consumes its region itself and gives the collector the last place of the sink table
// for its cursor. Nobody waits for it there: what it is too slow for it misses, and counts. When it
// has gone, a guest of the engine stores at its place, into its store; when it is back, it reads on
// where the guest was. Both may do so for a moment: the store knows what it has.
#include <algorithm>

#include "base/fixed_text.h"
#include "base/registration_message.h"
#include "front/front.h"
#include "os/io.h"
#include "os/process.h"
#include "region/marks.h"
#include "runtime/collector_socket.h"
#include "runtime/runtime.h"
#include "sink/make.h"
#include "sink/sink_table.h"

namespace sluice::runtime {
namespace {

constexpr u32 kPlace = region::kSinksMax - 1;
// For what a collector has not read when it is to read no more.
constexpr i64 kLastReadNs = 250'000'000;

region::SinkEntry& readers_entry() { return front::g_front.region.sink(kPlace); }

}  // namespace

bool Runtime::is_readers_place(u32 place) {
  const region::SinkEntry& entry = front::g_front.region.sink(place);
  return place == kPlace && region::Marks::look(entry.state) == region::SinkState::kOpen &&
         sink::is_collectors(entry);
}

// True: the collector reads from now on.
bool Runtime::begin_to_be_read() {
  hang_up(collector_);
  if (config_.sinks.size() > kPlace) {
    say_of_link("a collector reads programs with " + std::to_string(kPlace) +
                " sinks of their own at most");
    return false;
  }
  const std::string answer = ask_collector(kPlace, collector_);
  back::SinkConfig store;
  store.kind = SinkKind::store;
  store.name = sink::kCollectorsPlace;
  store.required = true;  // of whoever drains the region after our death
  std::string problem;
  if (answer.starts_with(kRegistrationReads)) {
    store.path = answer.substr(kRegistrationReads.size());
    const Status status = sink::check_config(store);
    if (!status.ok()) problem = "the collector's store: " + status.message();
  } else {
    problem = answer;
  }
  // Each would take for stored what the other has filtered.
  const auto is_its_store = [&store](const back::SinkConfig& sink) {
    return sink.kind == SinkKind::store && sink.path == store.path;
  };
  if (problem.empty() && std::any_of(config_.sinks.begin(), config_.sinks.end(), is_its_store)) {
    problem = "the collector's store " + store.path + " is a sink of this program already";
  }
  if (!problem.empty()) {
    hang_up(collector_);
    say_of_link(problem);
    return false;
  }
  said_of_link_.clear();
  to_say_.clear();  // it is over, said or not
  collectors_store_ = std::move(store);
  open_place();
  note_reader(&readers_entry());
  return true;
}

// At a start: what is said from now on is for whoever comes to read it.
void Runtime::begin_place() {
  if (is_readers_place(kPlace)) return;
  region::SinkEntry& entry = readers_entry();
  region::Marks::set(entry.state, region::SinkState::kUnused);
  for (std::atomic<u64>* count :
       {&entry.delivered, &entry.filtered, &entry.dropped_backlog, &entry.dropped_error}) {
    count->store(0, std::memory_order_relaxed);  // relaxed: told when it opens (P15)
  }
  engine_->begin_here(entry);
}

void Runtime::open_place() {
  region::SinkEntry& entry = readers_entry();
  if (is_readers_place(kPlace) && field_text(entry.path) == collectors_store_->path) return;
  // Closed while it changes: as any place.
  region::Marks::set(entry.state, region::SinkState::kUnused);
  sink::write_entry(*collectors_store_, entry);
  region::Marks::set(entry.state, region::SinkState::kOpen);  // filled before it opens (P15)
}

void Runtime::note_reader(region::SinkEntry* entry) {
  const Locked lock(mutex_);
  reads_ = entry;
}

void Runtime::follow_reader() {
  link_pause_ns_ = std::min(2 * link_pause_ns_, kLinkMostNs);
  if (begin_to_be_read()) return engine_->end_guest();
  begin_guest();
  note_reader(nullptr);  // behind it: a flush() waits for one of them
}

// In the stead of a collector that we know the store of, and that has gone.
void Runtime::begin_guest() {
  if (config_.collector != Collector::automatic || !collectors_store_ || engine_->has_guest()) {
    return;
  }
  open_place();
  auto made = sink::make_sink(*collectors_store_, os::real_io(), front::g_front.region);
  if (!made.ok()) return say_of_link(made.status().message());
  // Not yet where one hangs that was asked to end when the collector came.
  (void)engine_->add_guest(readers_entry(), std::move(made.value()), collectors_store_->path);
}

// A start with other options: from now on it is nobody's.
void Runtime::end_reading() {
  if (reads_ == nullptr) return;
  (void)wait_for_reader(os::monotonic_ns() + kLastReadNs);
  hang_up(collector_);
  note_reader(nullptr);
}

}  // namespace sluice::runtime
