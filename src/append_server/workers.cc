#include "append_server/workers.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <system_error>
#include <thread>

#include "os/child.h"
#include "os/process.h"

namespace sluice::append_server {
namespace {

// How long work waits before it is looked whether somebody is stuck.
constexpr i64 kWorkerLookNs = 5'000'000;

}  // namespace

struct Workers::Shared : std::enable_shared_from_this<Shared> {
  Shared(Options wanted, Work to_do) : options(wanted), work(std::move(to_do)) {}

  struct Place {
    u32 admitted = 0;  // in the queue, or in a thread
    std::deque<Job> waiting;
  };
  struct Thread {
    i64 since_ns = 0;  // since when it is in its piece of work; 0: in none
    u64 place = 0;
  };

  void run();
  void take_turns(std::unique_lock<std::mutex>& lock, std::list<Thread>::iterator thread);
  [[nodiscard]] bool is_stuck(const Thread& thread, i64 now_ns) const {
    return thread.since_ns != 0 && now_ns - thread.since_ns >= options.stuck_ns;
  }
  [[nodiscard]] u64 stuck(i64 now_ns) const {
    return u64(
        std::ranges::count_if(threads, [&](const Thread& t) { return is_stuck(t, now_ns); }));
  }
  [[nodiscard]] bool has_room(u64 which, const Place& place, i64 now_ns) const;
  // Queues what waits for a place as far as there is room.
  void admit(u64 which, Place& place, i64 now_ns);
  // A thread more, where fewer than may be get on and nobody is idle.
  void grow(i64 now_ns);

  const Options options;
  const Work work;
  mutable std::mutex mutex;  // over all below
  std::condition_variable ready;
  std::condition_variable ended;
  std::deque<Job> queue;
  std::unordered_map<u64, std::deque<Job>> busy;  // keys that somebody works for, and what waits
  std::unordered_map<u64, Place> places;          // that have work
  std::list<Thread> threads;
  u64 idle = 0;
  bool stopping = false;
};

Workers::Workers(Options options, Work work)
    : shared_(std::make_shared<Shared>(options, std::move(work))) {}

Workers::~Workers() { (void)stop(u64(os::monotonic_ns())); }

void Workers::submit(Job job) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->stopping) return;
  if (const auto [key, is_new] = shared_->busy.try_emplace(job.key); !is_new) {
    key->second.push_back(job);
    return;
  }
  Shared::Place& place = shared_->places[job.place];
  place.waiting.push_back(job);
  shared_->admit(job.place, place, os::monotonic_ns());
}

i64 Workers::look(i64 now_ns) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->stopping) return -1;
  bool again = false;
  for (auto& [which, place] : shared_->places) {
    shared_->admit(which, place, now_ns);
    // Where no more are let in it is the end of one that says when.
    again |= !place.waiting.empty() && place.admitted < shared_->options.place_max;
  }
  if (shared_->queue.empty()) return again ? kWorkerLookNs : -1;
  if (shared_->idle == 0) shared_->grow(now_ns);
  return kWorkerLookNs;
}

bool Workers::Shared::has_room(u64 which, const Place& place, i64 now_ns) const {
  if (place.admitted == 0) return true;
  const u64 hang = u64(std::ranges::count_if(
      threads, [&](const Thread& t) { return t.place == which && is_stuck(t, now_ns); }));
  return place.admitted <
         (hang == 0 ? options.active_max : std::min<u64>(hang + 1, options.place_max));
}

void Workers::Shared::admit(u64 which, Place& place, i64 now_ns) {
  while (!place.waiting.empty() && has_room(which, place, now_ns)) {
    ++place.admitted;
    queue.push_back(place.waiting.front());
    place.waiting.pop_front();
    ready.notify_one();
    if (idle < queue.size()) grow(now_ns);
  }
}

void Workers::Shared::grow(i64 now_ns) {
  if (threads.size() >= options.threads_max ||
      threads.size() - stuck(now_ns) >= options.active_max) {
    return;
  }
  try {
    std::thread([self = shared_from_this()] { self->run(); }).detach();
    threads.emplace_back();  // in its name, until it has come
  } catch (const std::system_error&) {
    // No thread is to be had: those that there are go on, and look() tries again.
  }
}

void Workers::Shared::run() {
  os::block_signals();
  os::set_thread_name("sluice-append");
  std::unique_lock lock(mutex);
  const auto is_free = [](const Thread& thread) { return thread.since_ns == 0; };
  // Any of those that are in nothing: a thread has its entry only while it works.
  while (true) {
    while (queue.empty() && !stopping) {
      ++idle;
      ready.wait(lock);
      --idle;
    }
    if (stopping) break;
    take_turns(lock, std::ranges::find_if(threads, is_free));
  }
  threads.erase(std::ranges::find_if(threads, is_free));
  ended.notify_all();
}

void Workers::Shared::take_turns(std::unique_lock<std::mutex>& lock,
                                 std::list<Thread>::iterator thread) {
  const Job job = queue.front();
  queue.pop_front();
  *thread = {os::monotonic_ns(), job.place};
  lock.unlock();
  work(job.id);
  lock.lock();
  *thread = {};
  const i64 now_ns = os::monotonic_ns();
  const auto key = busy.find(job.key);
  if (key->second.empty()) {
    busy.erase(key);
  } else {
    const Job next = key->second.front();
    key->second.pop_front();
    places[next.place].waiting.push_back(next);
    if (next.place != job.place) admit(next.place, places[next.place], now_ns);
  }
  const auto place = places.find(job.place);
  --place->second.admitted;
  admit(job.place, place->second, now_ns);
  if (place->second.admitted == 0) places.erase(place);  // then nothing waits either
}

Workers::Stats Workers::stats() const {
  const std::lock_guard lock(shared_->mutex);
  u64 waiting = shared_->queue.size();
  for (const auto& [key, jobs] : shared_->busy) waiting += jobs.size();
  for (const auto& [which, place] : shared_->places) waiting += place.waiting.size();
  return {shared_->threads.size(), shared_->stuck(os::monotonic_ns()), waiting};
}

u64 Workers::stop(u64 deadline_ns) {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->queue.clear();
  shared_->ready.notify_all();
  const auto none = [this] { return shared_->threads.empty(); };
  const i64 left_ns = std::max<i64>(i64(deadline_ns) - os::monotonic_ns(), 0);
  shared_->ended.wait_for(lock, std::chrono::nanoseconds(left_ns), none);
  return shared_->threads.size();
}

}  // namespace sluice::append_server
