// How the regions of a drainer end: their programs die or hang up, or the drainer stops.
#include <algorithm>
#include <cerrno>
#include <new>

#include "collector/drainer.h"
#include "os/process.h"
#include "os/process_watch.h"

namespace sluice::collector {
namespace {

constexpr u64 kEndQuotaBytes = 8 << 20;
constexpr i64 kLookEveryNs = 250'000'000;
// How long the status of an ended process is waited for: until its parent has taken it, the kernel
// may keep it to itself.
constexpr i64 kStatusWaitNs = 60'000'000;
// And how long for a parent who has said that he will tell it.
constexpr i64 kParentWaitNs = 10'000'000'000;
constexpr i64 kEndNapNs = 2'000'000;
// How long the journal of an ended program may stay full though the store has everything.
constexpr i64 kStuckNs = 1'000'000'000;
// A program that has hung up may be about to end: for how long that is looked for.
constexpr i64 kLeftNs = 1'000'000'000;
// How long is shown what a region came to that has gone, and of how many.
constexpr i64 kShownNs = 60'000'000'000;
constexpr i64 kShownMost = 64;

}  // namespace

void Drainer::look_at_owner(Client& client, i64 now_ns) {
  if (client.died_ns != 0 || now_ns < client.look_ns) return;
  client.look_ns = now_ns + kLookEveryNs;
  if (!client.mirror->owner_is_dead()) return;
  client.died_ns = now_ns;
  client.died_wall_ns = os::wall_ns();
}

void Drainer::registration_ended(const std::string& region) {
  for (const auto& client : clients_) {
    if (client->over || !client->mirror->only_reads() || client->mirror->path() != region) continue;
    client->left_ns = os::monotonic_ns();
    client->feed->give_up();
    client->look_ns = client->due_ns = 0;
    merged_ = true;
  }
}

void Drainer::end_reading(Client& client, i64 now_ns) {
  client.look_ns = 0;
  client.due_ns = now_ns + kEndNapNs;
  if (now_ns - client.left_ns < kLeftNs) return;
  client.mirror->close_file();
  client.over = true;
}

// What two feeds of one run both read is stored once.
bool Drainer::take_over(Client& client) {
  Result<std::unique_ptr<RegionMirror>> drains = fatal("");
  try {
    drains = RegionMirror::take_over(*client.mirror, options_.store);
  } catch (const std::bad_alloc&) {
    drains = fatal(client.mirror->path() + ": no memory for a copy of it");
  }
  const Status& status = drains.status();
  if (!drains.ok() && status.os_error() == EAGAIN) return false;
  if (!drains.ok() && status.error_class() == ErrorClass::kFatal) {
    release(client, status.message());
    return false;
  }
  const bool reads = client.left_ns == 0;
  if (drains.ok()) {
    client.feed->give_up();
    client.mirror = std::move(drains.value());
  } else if (reads) {
    return true;  // it has gone: what is left of it is what its journal had, which we have open
  }
  client.left_ns = 0;
  client.feed = store_.add(client.mirror);
  if (client.hangs) client.feed->hangs(*client.hangs);
  return true;
}

void Drainer::conclude(Client& client, i64 now_ns) {
  client.due_ns = now_ns + kEndNapNs;
  if (client.ending) {
    if (!client.feed->ended()) return;
    if (!client.let_go) set_aside(client, client.mirror->finish());
    client.over = true;
    return;
  }
  if (!client.drained) {
    // The journal is full: of what the store has not got yet, or for ever of what others have not.
    if (client.feed->has_all() && now_ns - client.died_ns > kStuckNs) {
      client.drained = true;
    }
    if (!client.drained) return;
  }
  leave_to_others(client, now_ns);
  os::ProcessEnd status;
  if (!find_status(client, now_ns, status)) return;
  const SeenEnd seen{.status = status,
                     .goodbye = client.let_go ? client.goodbye : client.mirror->said_goodbye(),
                     .out_of_memory = os::has_killed(client.memory),
                     .memory_was_seen = !client.memory.path.empty()};
  RunEnd end = verdict_of(seen, client.died_wall_ns);
  if (client.hangs && !client.hangs->empty()) end.reason += ", while it hung: " + *client.hangs;
  client.feed->end_with(end);
  client.ending = true;
  merged_ = true;
}

// Its next start may come at once: what it owes to its own sinks waits neither for the end's
// status, nor for a store that takes nothing.
void Drainer::leave_to_others(Client& client, i64 now_ns) {
  if (client.let_go || (!client.feed->has_all() && now_ns - client.died_ns < kStuckNs)) return;
  client.goodbye = client.mirror->said_goodbye();
  const std::string left = client.mirror->leave_to_others();
  client.let_go = !left.empty();
  set_aside(client, left);
}

void Drainer::set_aside(const Client& client, const std::string& why) {
  if (why.empty()) return;
  set_aside_.insert({client.mirror->device(), client.mirror->inode()});
  report(why);
}

// The kernel's word goes before that of the parent.
bool Drainer::find_status(const Client& client, i64 now_ns, os::ProcessEnd& status) const {
  status = options_.end_of(client.process, client.pid, client.pid_start);
  if (status.known) return true;
  const i64 since_ns = now_ns - client.died_ns;
  const ProcessName name = client.mirror->process();
  if (registrations_ && name.is_whole()) {
    status = registrations_->told_end(name);
    if (status.known) return true;
    if (registrations_->will_tell(name)) return since_ns >= kParentWaitNs;
  }
  return client.pid == 0 || since_ns >= kStatusWaitNs;
}

void Drainer::release(Client& client, const std::string& why) {
  set_aside(client, why);
  client.feed->give_up();
  client.over = true;
  merged_ = true;
  released_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure
}

void Drainer::drop_over() {
  const auto gone = std::erase_if(clients_, [this](const std::unique_ptr<Client>& client) {
    if (!client->over || !client->feed->ended()) return false;
    client->mirror->close_file();  // the store has done with it
    if (registrations_ && client->left_ns == 0) registrations_->end(client->mirror->path());
    if (client->process >= 0) {
      poll_.remove(client->process);
      os::close_descriptor(client->process);
    }
    return true;
  });
  if (gone > 0) {
    forget_watches(os::monotonic_ns());
    regions_.store(clients_.size(), std::memory_order_relaxed);  // relaxed: a figure
    store_.wake();                                               // it forgets them
  }
}

void Drainer::forget_watches(i64 now_ns) {
  const std::lock_guard lock(watches_mutex_);
  std::vector<i64> closed;
  for (const auto& watch : watches_) {
    if (watch->closed_ns() != 0) closed.push_back(watch->closed_ns());
  }
  i64 until_ns = now_ns - kShownNs;
  if (i64(closed.size()) > kShownMost) {
    const auto newest_to_go = closed.end() - kShownMost - 1;
    std::nth_element(closed.begin(), newest_to_go, closed.end());
    until_ns = std::max(until_ns, *newest_to_go);
  }
  std::erase_if(watches_, [until_ns](const auto& watch) {
    return watch->closed_ns() != 0 && watch->closed_ns() <= until_ns;
  });
}

// What is published by now is stored, then the locks go; who runs on may consume again.
void Drainer::give_all_back() {
  i64 now = os::monotonic_ns();
  const auto has_rest = [](const std::unique_ptr<Client>& client) {
    // What a reader has not, its program stores itself.
    return !client->over && !client->mirror->only_reads() && !client->feed->has_all();
  };
  for (bool first = true;
       first || (now < deadline_ns_ && std::any_of(clients_.begin(), clients_.end(), has_rest));
       now = os::monotonic_ns()) {
    for (const auto& client : clients_) {
      if (client->over || client->ending || client->let_go) continue;
      const Result<bool> moved = drain(*client, kEndQuotaBytes, true);
      if (!moved.ok()) release(*client, moved.status().message());
    }
    store_.wake();
    first = false;
    os::sleep_ns(kEndNapNs);
  }
  for (const auto& client : clients_) left_ += has_rest(client);
}

}  // namespace sluice::collector
