#include "collector/drainer.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "os/io.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "record/escape.h"
#include "runtime/recover.h"
#include "sluice/detail/thread_block.h"

namespace sluice::collector {
namespace {

constexpr u64 kStopToken = 0;
constexpr u64 kQuotaBytes = 1 << 20;
constexpr i64 kNapLeastNs = 1'000'000;
constexpr i64 kNapMostNs = 20'000'000;
constexpr i64 kScanEveryNs = 500'000'000;
constexpr i64 kLookEveryNs = 250'000'000;
// How long the status of an ended process is waited for: until its parent has taken it, the kernel
// may keep it to itself.
constexpr i64 kStatusWaitNs = 60'000'000;
constexpr i64 kLastNapNs = 2'000'000;
// How long the journal of an ended program may stay full though the store has everything.
constexpr i64 kStuckNs = 1'000'000'000;
constexpr i64 kNsPerMs = 1'000'000;

constexpr std::size_t kThreadsTold = 16;
// A program that hangs and goes on all the time is told of this often.
constexpr i64 kTellEveryNs = 1'000'000'000;

std::string told(const std::vector<os::ThreadState>& threads) {
  if (threads.empty()) return "its threads cannot be looked at";
  std::string text = "threads: ";
  for (const os::ThreadState& thread : threads) {
    if (&thread != &threads.front()) text += ", ";
    text += escaped(TextForm::kText, thread.name) + " " + thread.state;
    if (!thread.place.empty()) text += " in " + escaped(TextForm::kText, thread.place);
  }
  return text;
}

// A thread's count of rounds is odd while it has nothing to do.
bool waits(u64 rounds) { return rounds % 2 == 1; }

}  // namespace

Drainer::Drainer(Options options)
    : options_(std::move(options)),
      store_(*new StoreWriter(options_.store, os::real_io(), *this)) {}

Result<std::unique_ptr<Drainer>> Drainer::start(Options options) {
  std::unique_ptr<Drainer> drainer(new Drainer(std::move(options)));
  os::raise_descriptor_limit();
  (void)drainer->poll_.add(drainer->stop_.fd(), os::kReadable, os::SocketPoll::kLevel, kStopToken);
  const Status status = drainer->store_.start();
  if (!status.ok()) {
    delete &drainer->store_;
    return status;
  }
  if (drainer->options_.listener >= 0) {
    drainer->registrations_.emplace(
        drainer->options_.listener, drainer->poll_,
        [self = drainer.get()](const std::string& path) { return self->take(path); });
  }
  drainer->thread_ = std::thread([self = drainer.get()] { self->thread_main(); });
  return drainer;
}

Drainer::~Drainer() {
  if (thread_.joinable()) (void)stop(u64(os::monotonic_ns()));
}

void Drainer::thread_main() {
  os::block_signals();
  os::set_thread_name("sluice-drain");
  detail::t_block.in_sink = 1;
  while (!os::wait_readable(stop_.fd(), -1, 0).first) {
    // relaxed, here and below: figures, and words of a copy that this thread has stored
    const i64 now = os::monotonic_ns();
    if (now >= next_scan_ns_) {
      scan();
      if (registrations_) registrations_->expire(now);
      next_scan_ns_ = os::monotonic_ns() + kScanEveryNs;
    }
    merged_ = false;
    for (const auto& client : clients_) {
      if (client->due_ns <= now) turn(*client, now);
    }
    if (merged_) store_.wake();
    drop_over();
    wait(os::monotonic_ns());
  }
  give_all_back();
}

void Drainer::wait(i64 now_ns) {
  i64 until = next_scan_ns_;
  for (const auto& client : clients_) until = std::min(until, client->due_ns);
  os::SocketPoll::Event events[64];
  rounds_.fetch_add(1, std::memory_order_relaxed);
  const int count = poll_.wait(events, std::max<i64>(until - now_ns, 0));
  rounds_.fetch_add(1, std::memory_order_relaxed);
  for (int i = 0; i < count; ++i) {
    if (Registrations::is_ours(events[i].token)) {
      if (registrations_) registrations_->on_event(events[i], os::monotonic_ns());
      continue;
    }
    for (const auto& client : clients_) {
      if (client->token != events[i].token) continue;
      poll_.remove(client->process);  // once is enough
      client->look_ns = client->due_ns = 0;
    }
  }
}

void Drainer::scan() {
  const auto look_in = [this](const std::string& directory) {
    for (const std::string& path : runtime::find_regions(directory)) (void)take(path);
  };
  if (options_.directories.empty()) look_in("");
  for (const std::string& directory : options_.directories) look_in(directory);
}

bool Drainer::is_a_place(const std::string& path) const {
  const auto has = [&path](const std::vector<std::string>& paths) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  if (options_.directories.empty()) return has(runtime::find_regions(""));
  return std::any_of(options_.directories.begin(), options_.directories.end(),
                     [&](const std::string& each) { return has(runtime::find_regions(each)); });
}

bool Drainer::is_known(const std::string& path) const {
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) != 0) return false;
  return set_aside_.contains({info.device, info.inode}) ||
         std::any_of(clients_.begin(), clients_.end(), [&info](const auto& client) {
           return client->mirror->inode() == info.inode && client->mirror->device() == info.device;
         });
}

// Empty: it is drained.
std::string Drainer::take(const std::string& path) {
  if (!is_a_place(path)) return "no region of that name is where this collector looks for them";
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) != 0) return "it has gone";
  const std::pair<u64, u64> id{info.device, info.inode};
  if (set_aside_.contains(id)) return "this collector has given it up";
  if (is_known(path)) return {};
  Result<std::unique_ptr<RegionMirror>> mirror = fatal("");
  try {
    mirror = RegionMirror::open(os::real_io(), path, options_.store);
    if (mirror.ok()) {
      auto client = std::make_unique<Client>();
      client->mirror = std::move(mirror.value());
      client->feed = store_.add(client->mirror);
      watch(*client);
      clients_.push_back(std::move(client));
      taken_.fetch_add(1, std::memory_order_relaxed);
      regions_.store(clients_.size(), std::memory_order_relaxed);
      return {};
    }
  } catch (const std::bad_alloc&) {
    mirror = fatal(path + ": no memory for a copy of it");
  }
  if (mirror.status().os_error() == EAGAIN) return std::string(kRegistrationHeld);
  if (mirror.status().error_class() == ErrorClass::kFatal) {
    set_aside_.insert(id);
    report(mirror.status().message());
  }
  return mirror.status().message();
}

// Who holds the owner's lock is asked again when there is a descriptor of it: it is that process's.
void Drainer::watch(Client& client) {
  client.token = next_token_++;
  client.pid = client.mirror->owner();
  if (client.pid == 0) return;
  client.process = os::open_process(client.pid);
  client.pid_start = os::start_time(client.pid);
  client.memory = os::oom_counter(client.pid);
  if (client.process < 0) return;
  if (client.mirror->owner() != client.pid ||
      poll_.add(client.process, os::kReadable, os::SocketPoll::kLevel, client.token) != 0) {
    os::close_descriptor(client.process);
  }
}

Result<bool> Drainer::drain(Client& client, u64 quota, bool all) {
  RegionMirror& mirror = *client.mirror;
  Status status = mirror.refresh();
  if (!status.ok()) return status;
  if (all) mirror.want_drop_report();
  const u64 before = mirror.region().journal_lines().committed.load(std::memory_order_relaxed);
  u64 now = before;
  back::Merged merged;
  do {
    merged = mirror.merge(all);
    now = mirror.region().journal_lines().committed.load(std::memory_order_relaxed);
  } while (merged == back::Merged::kBatch && now - before < quota && (all || mirror.more()));
  status = mirror.write_back();
  if (!status.ok()) return status;
  client.drained = all && merged == back::Merged::kNothing;
  if (merged == back::Merged::kBatch && (all || mirror.more())) client.nap_ns = 0;
  return now != before;
}

void Drainer::turn(Client& client, i64 now_ns) {
  if (client.over) return;
  if (client.ending) return conclude(client, now_ns);
  look_at_owner(client, now_ns);
  const bool dead = client.died_ns != 0;
  client.nap_ns = std::clamp(client.nap_ns + client.nap_ns / 4, kNapLeastNs, kNapMostNs);
  if (dead) client.nap_ns = kLastNapNs;
  try {
    if (!dead) look_at_heart(client, now_ns);
    const Result<bool> moved = drain(client, kQuotaBytes, dead);
    if (!moved.ok()) return release(client, moved.status().message());
    merged_ |= moved.value();
    if (moved.value()) client.nap_ns = std::min(client.nap_ns, kNapLeastNs);
  } catch (const std::bad_alloc&) {
    return release(client, client.mirror->path() + ": no memory to drain it");
  }
  client.due_ns = now_ns + client.nap_ns;
  if (dead) conclude(client, now_ns);
}

void Drainer::look_at_owner(Client& client, i64 now_ns) {
  if (client.died_ns != 0 || now_ns < client.look_ns) return;
  client.look_ns = now_ns + kLookEveryNs;
  if (!client.mirror->owner_is_dead()) return;
  client.died_ns = now_ns;
  client.died_wall_ns = os::wall_ns();
}

// A region that another collector has had may have been left as one that hangs: told of the first
// promise, too, that it does not.
void Drainer::look_at_heart(Client& client, i64 now_ns) {
  const region::HeartbeatEntry* const entries = client.mirror->heartbeats();
  if (entries == nullptr) return;  // the drain says so
  std::string hangs = client.heart.look(entries, now_ns);
  if (!client.hangs && !client.heart.has_promises()) return;
  if (client.hangs && (hangs == *client.hangs || now_ns < client.told_ns + kTellEveryNs)) return;
  client.told_ns = now_ns;
  const std::string who = client.mirror->path() + ", process " + std::to_string(client.pid);
  if (!hangs.empty()) {
    client.hangs_ns = now_ns;
    const std::string threads = told(os::threads_of(client.pid, kThreadsTold));
    client.feed->hangs(hangs + "; " + threads);
    report(who + ": " + hangs + "; " + threads);
  } else {
    client.feed->hangs({});
    if (client.hangs) {
      report(who + ": goes on after " + std::to_string((now_ns - client.hangs_ns) / kNsPerMs) +
             " ms");
    }
  }
  client.hangs = std::move(hangs);
  merged_ = true;
}

void Drainer::conclude(Client& client, i64 now_ns) {
  client.due_ns = now_ns + kLastNapNs;
  if (client.ending) {
    if (!client.feed->ended()) return;
    const std::string left = client.mirror->finish();
    if (!left.empty()) set_aside_.insert({client.mirror->device(), client.mirror->inode()});
    if (!left.empty()) report(left);
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
  SeenEnd seen{.status = os::end_of_process(client.process, client.pid, client.pid_start),
               .goodbye = client.mirror->said_goodbye(),
               .out_of_memory = os::has_killed(client.memory),
               .memory_was_seen = !client.memory.path.empty()};
  if (!seen.status.known && client.pid != 0 && now_ns - client.died_ns < kStatusWaitNs) return;
  RunEnd end = verdict_of(seen, client.died_wall_ns);
  if (client.hangs && !client.hangs->empty()) end.reason += ", while it hung: " + *client.hangs;
  client.feed->end_with(end);
  client.ending = true;
  merged_ = true;
}

void Drainer::release(Client& client, const std::string& why) {
  report(why);
  set_aside_.insert({client.mirror->device(), client.mirror->inode()});
  client.feed->give_up();
  client.over = true;
  merged_ = true;
  released_.fetch_add(1, std::memory_order_relaxed);
}

void Drainer::drop_over() {
  const auto gone = std::erase_if(clients_, [this](const std::unique_ptr<Client>& client) {
    if (!client->over || !client->feed->ended()) return false;
    if (registrations_) registrations_->end(client->mirror->path());
    if (client->process >= 0) {
      poll_.remove(client->process);
      os::close_descriptor(client->process);
    }
    return true;
  });
  if (gone > 0) {
    regions_.store(clients_.size(), std::memory_order_relaxed);
    store_.wake();  // it forgets them
  }
}

// What is published by now is stored, then the locks go; who runs on may consume again.
void Drainer::give_all_back() {
  registrations_.reset();
  i64 now = os::monotonic_ns();
  const auto has_rest = [](const std::unique_ptr<Client>& client) {
    return !client->over && !client->feed->has_all();
  };
  for (bool first = true;
       first || (now < deadline_ns_ && std::any_of(clients_.begin(), clients_.end(), has_rest));
       now = os::monotonic_ns()) {
    for (const auto& client : clients_) {
      if (client->over || client->ending) continue;
      const Result<bool> moved = drain(*client, kQuotaBytes * 8, true);
      if (!moved.ok()) release(*client, moved.status().message());
    }
    store_.wake();
    first = false;
    os::sleep_ns(kLastNapNs);
  }
  for (const auto& client : clients_) left_ += has_rest(client);
}

u64 Drainer::stop(u64 deadline_ns) {
  if (!thread_.joinable()) return 0;
  deadline_ns_ = i64(deadline_ns);
  stop_.raise();
  thread_.join();
  const bool ended = store_.stop(i64(deadline_ns));
  if (!ended) return left_ + 1;
  for (const auto& client : clients_) {
    if (!client->over) client->mirror->retire();
    if (client->process >= 0) os::close_descriptor(client->process);
  }
  clients_.clear();
  delete &store_;
  return left_;
}

bool Drainer::gets_on() {
  const u64 rounds = rounds_.load(std::memory_order_relaxed);
  const bool moves = waits(rounds) || rounds != std::exchange(rounds_seen_, rounds);
  // Within SQLite it waits for others at most for moments, but a disk may hang.
  const u64 store_rounds = store_.rounds();
  const bool stores =
      waits(store_rounds) || store_rounds != std::exchange(store_rounds_seen_, store_rounds);
  return moves && stores;
}

std::vector<Figure> Drainer::figures() const {
  return {
      {.name = "regions",
       .value = regions_.load(std::memory_order_relaxed),
       .help = "Regions that are drained"},
      {.name = "taken_total",
       .type = Figure::kCounter,
       .value = taken_.load(std::memory_order_relaxed),
       .help = "Regions taken over"},
      {.name = "released_total",
       .type = Figure::kCounter,
       .value = released_.load(std::memory_order_relaxed),
       .help = "Regions given up before their end"},
      {.name = "records_total",
       .type = Figure::kCounter,
       .value = store_.records(),
       .help = "Records stored"},
      {.name = "store_failing", .value = store_.failing(), .help = "1: the store takes nothing"}};
}

}  // namespace sluice::collector
