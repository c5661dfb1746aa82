#include "collector/drainer.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/durations.h"
#include "os/io.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "record/escape.h"
#include "runtime/recover.h"
#include "sluice/detail/thread_block.h"

namespace sluice::collector {
namespace {

constexpr u64 kStopToken = 0;
constexpr u64 kWatchToken = 2;
constexpr u64 kQuotaBytes = 1 << 20;
constexpr i64 kNapLeastNs = 1'000'000;
constexpr i64 kNapMostNs = 20'000'000;
// An answer to who asks what regions say takes so long, and one region more.
constexpr i64 kLooksNs = 1'000'000'000;
// Into directories that cannot be watched, or are not there yet.
constexpr i64 kScanEveryNs = 500'000'000;
// Files that somebody opens and closes all the time cost no more than this.
constexpr i64 kFoundEveryNs = 20'000'000;
constexpr std::size_t kFoundMost = 4096;
constexpr i64 kLastNapNs = 2'000'000;

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

Registrations::Answer answer_to(const Registrations::Request& request, const std::string& store) {
  if (!request.place) return {.taken = true, .line = std::string(kRegistrationOk)};
  return {.taken = true, .line = std::string(kRegistrationReads) + store};
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
  if (drainer->watch_.fd() >= 0) {
    (void)drainer->poll_.add(drainer->watch_.fd(), os::kReadable, os::SocketPoll::kLevel,
                             kWatchToken);
  }
  const Status status = drainer->store_.start();
  if (!status.ok()) {
    delete &drainer->store_;
    return status;
  }
  if (drainer->options_.listener >= 0) {
    drainer->registrations_.emplace(
        drainer->options_.listener, drainer->poll_,
        [self = drainer.get()](const auto& request) { return self->take(request); },
        [self = drainer.get()](const auto& region) { self->registration_ended(region); });
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
    if (now >= next_scan_ns_) scan(now);
    if (!found_.empty() && now >= next_found_ns_) look_at_found(now);
    if (registrations_) registrations_->expire(now);
    merged_ = false;
    for (const auto& client : clients_) {
      // An idle one early, with those that are due: so they wake the processor together.
      if (client->due_ns - client->nap_ns / 8 <= now) turn(*client, now);
    }
    if (merged_) store_.wake();
    drop_over();
    wait(os::monotonic_ns());
  }
  give_all_back();
}

void Drainer::wait(i64 now_ns) {
  i64 until = next_scan_ns_;
  if (!found_.empty()) until = std::min(until, next_found_ns_);
  if (registrations_) until = std::min(until, registrations_->due_ns());
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
    if (events[i].token == kWatchToken) {
      watch_.take([this](const std::string& path) {
        const bool lost = path.empty() || found_.size() == kFoundMost;
        if (lost) next_scan_ns_ = 0;
        if (!lost && runtime::is_region_name(path)) found_.insert(path);
      });
      continue;
    }
    for (const auto& client : clients_) {
      if (client->token != events[i].token) continue;
      poll_.remove(client->process);  // once is enough
      client->look_ns = client->due_ns = 0;
    }
  }
}

// Watched first, so that nothing comes in between.
void Drainer::scan(i64 now_ns) {
  std::vector<std::string> places = options_.directories;
  if (places.empty()) places = runtime::region_places("");
  bool watched = !places.empty();
  for (const std::string& place : places) {
    if (watch_.add(place) != 0) watched = false;
    for (const std::string& path : runtime::find_regions(place))
      (void)take_found({.region = path, .place = {}});
  }
  forget_watches(now_ns);
  next_scan_ns_ = now_ns + (watched ? options_.look_every_ns : kScanEveryNs);
}

void Drainer::look_at_found(i64 now_ns) {
  for (const std::string& path : std::exchange(found_, {}))
    (void)take_found({.region = path, .place = {}});
  next_found_ns_ = now_ns + kFoundEveryNs;
}

bool Drainer::is_a_place(const std::string& path) const {
  const auto has = [&path](const std::vector<std::string>& paths) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  if (options_.directories.empty()) return has(runtime::find_regions(""));
  return std::any_of(options_.directories.begin(), options_.directories.end(),
                     [&](const std::string& each) { return has(runtime::find_regions(each)); });
}

Drainer::Client* Drainer::known(const std::pair<u64, u64>& id) const {
  const auto at = std::find_if(clients_.begin(), clients_.end(), [&id](const auto& client) {
    return !client->over && client->mirror->device() == id.first &&
           client->mirror->inode() == id.second;
  });
  return at == clients_.end() ? nullptr : at->get();
}

Registrations::Answer Drainer::take(const Registrations::Request& request) {
  if (is_a_place(request.region)) return take_found(request);
  return {.line = "no region of that name is where this collector looks for them"};
}

Registrations::Answer Drainer::take_found(const Registrations::Request& request) {
  const std::string& path = request.region;
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) != 0) return {.line = "it has gone"};
  const std::pair<u64, u64> id{info.device, info.inode};
  if (set_aside_.contains(id)) return {.line = "this collector has given it up"};
  Result<std::unique_ptr<RegionMirror>> mirror = fatal("");
  try {
    if (Client* const client = known(id)) return take_again(*client, request);
    mirror = request.place ? RegionMirror::open_to_read(os::real_io(), path, *request.place)
                           : RegionMirror::open(os::real_io(), path, options_.store);
    if (mirror.ok()) {
      add(std::move(mirror.value()));
      return answer_to(request, options_.store);
    }
  } catch (const std::bad_alloc&) {
    mirror = fatal(path + ": no memory for a copy of it");
  }
  if (mirror.status().os_error() == EAGAIN) return {.line = std::string(kRegistrationHeld)};
  if (mirror.status().error_class() == ErrorClass::kFatal) {
    set_aside_.insert(id);
    report(mirror.status().message());
  }
  return {.line = mirror.status().message()};
}

// A program may have been started anew with other options: what was read is read from its new
// place, or drained.
Registrations::Answer Drainer::take_again(Client& client, const Registrations::Request& request) {
  if (!client.mirror->only_reads()) {
    if (!request.place) return answer_to(request, options_.store);
    return {.line = "it drains this process until that ends; start it without sinks of its own"};
  }
  if (!request.place) {
    if (client.left_ns == 0 || !take_over(client)) return {.line = std::string(kRegistrationHeld)};
    return answer_to(request, options_.store);
  }
  Result<std::unique_ptr<RegionMirror>> again =
      RegionMirror::read_again(*client.mirror, *request.place);
  if (!again.ok()) return {.line = again.status().message()};
  client.feed->give_up();
  client.mirror = std::move(again.value());
  client.feed = store_.add(client.mirror);
  client.left_ns = 0;
  return answer_to(request, options_.store);
}

void Drainer::add(std::unique_ptr<RegionMirror> mirror) {
  auto client = std::make_unique<Client>();
  client->mirror = std::move(mirror);
  client->feed = store_.add(client->mirror);
  watch(*client);
  if (auto watch = client->mirror->watch()) {
    const std::lock_guard lock(watches_mutex_);
    watches_.push_back(std::move(watch));
  }
  clients_.push_back(std::move(client));
  taken_.fetch_add(1, std::memory_order_relaxed);
  regions_.store(clients_.size(), std::memory_order_relaxed);
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
  const std::atomic<u64>& committed = mirror.region().journal_lines().committed;
  const u64 before = committed.load(std::memory_order_relaxed);
  u64 now = before;
  if (all) mirror.want_reports();
  Status status = mirror.refresh();
  if (!status.ok()) return status;
  back::Merged merged;
  do {
    merged = mirror.merge(all);
    now = committed.load(std::memory_order_relaxed);
  } while (merged == back::Merged::kBatch && now - before < quota && (all || mirror.more()));
  status = mirror.write_back();
  if (!status.ok()) return status;
  const bool all_taken = mirror.only_reads() ? !mirror.more() : merged == back::Merged::kNothing;
  client.drained = all && all_taken;
  if (now != before && !all_taken && (all || mirror.more())) client.nap_ns = 0;
  return now != before;
}

void Drainer::turn(Client& client, i64 now_ns) {
  if (client.over) return;
  if (client.ending || client.let_go) return conclude(client, now_ns);
  look_at_owner(client, now_ns);
  const bool dead = client.died_ns != 0;
  if (client.left_ns != 0 && !dead) return end_reading(client, now_ns);
  const bool is_others = dead && client.mirror->only_reads() && !take_over(client);
  if (client.over) return;
  client.nap_ns = std::clamp(client.nap_ns + client.nap_ns / 4, kNapLeastNs, kNapMostNs);
  if (dead && !is_others) client.nap_ns = kLastNapNs;
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
  if (dead && !is_others) conclude(client, now_ns);
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

std::vector<RegionWatch::Look> Drainer::looks(u64& left_out) {
  const i64 until_ns = os::monotonic_ns() + kLooksNs;
  std::deque<std::shared_ptr<RegionWatch>> watches;
  {
    const std::lock_guard lock(watches_mutex_);
    watches = watches_;
  }
  std::vector<RegionWatch::Look> looks;
  for (const auto& watch : watches) {
    if (os::monotonic_ns() > until_ns) break;
    looks.push_back(watch->look());
  }
  left_out = watches.size() - looks.size();
  return looks;
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
  registrations_.reset();  // who goes on alone finds everything as we have left it
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
