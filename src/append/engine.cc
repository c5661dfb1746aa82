#include "append/engine.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "os/fork.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::append {
namespace {

// How long a byte waits for others at most, while its server keeps up.
constexpr i64 kNapNs = 1'000'000;
constexpr u32 kQuietRounds = 20;
constexpr u64 kFlagToken = 0;

// relaxed: stepped by the one thread of a forked child
std::atomic<u32> fork_count{0};

}  // namespace

struct Engine::Running {
  std::mutex mutex;
  std::shared_ptr<Engine> engine;
};

// Never destroyed: files may be closed while the process exits.
Engine::Running& Engine::running() {
  static Running& one = *new Running;
  return one;
}

u32 Engine::forks() { return fork_count.load(std::memory_order_relaxed); }

void Engine::in_child() {
  fork_count.fetch_add(1, std::memory_order_relaxed);
  // A child that kept the socket would keep the file open in the server.
  os::close_marked();
  // A thread that the child does not have may have been inside.
  new (&running().mutex) std::mutex;
}

Engine::Engine() : forks_(forks()) {}

Status Engine::open(std::shared_ptr<Proxy> proxy, std::shared_ptr<Engine>& out) {
  static const bool watched = (os::on_fork(nullptr, nullptr, in_child), true);
  (void)watched;
  Running& shared = running();
  const std::scoped_lock lock(shared.mutex);
  std::shared_ptr<Engine> engine = shared.engine;
  const bool fresh = !engine || engine->forks_ != forks();
  if (fresh) {
    std::shared_ptr<Engine> made(new Engine);
    made->inherited_ = std::move(engine);
    engine = std::move(made);
    int error = engine->poll_.status();
    if (error == 0) {
      error =
          engine->poll_.add(engine->flag_.fd(), os::kReadable, os::SocketPoll::kLevel, kFlagToken);
    }
    if (error < 0) {
      return {ErrorClass::kRetryable, "cannot wait for sockets: " + os::error_text(-error), -error};
    }
  }
  const u64 token = engine->next_token_++;
  auto connection = std::make_unique<Connection>(std::move(proxy), engine->poll_, token);
  if (Status status = connection->connect_first(); !status.ok()) return status;
  engine->new_.emplace_back(token, std::move(connection));
  if (fresh) {
    try {
      std::thread([engine] { engine->run(); }).detach();
    } catch (const std::system_error& error) {
      engine->new_.clear();
      return {ErrorClass::kRetryable, std::string("cannot start a thread: ") + error.what(),
              error.code().value()};
    }
    shared.engine = engine;
  }
  engine->look();
  out = std::move(engine);
  return {};
}

void Engine::wake() {
  // relaxed: which of those who woke it raises the flag; the bytes are ordered by their queue's
  // lock
  if (asleep_.exchange(false, std::memory_order_relaxed)) flag_.raise();
}

bool Engine::take_new_or_end() {
  Running& shared = running();
  const std::scoped_lock lock(shared.mutex);
  for (auto& [token, connection] : new_) connections_.emplace(token, std::move(connection));
  new_.clear();
  if (!connections_.empty()) return true;
  shared.engine = nullptr;
  return false;
}

bool Engine::round(i64 now_ns) {
  bool moved = false;
  busy_ = false;
  for (auto it = connections_.begin(); it != connections_.end();) {
    const Connection::Progress progress = it->second->pump(now_ns);
    moved = moved || progress != Connection::Progress::kNothing;
    busy_ = busy_ || progress == Connection::Progress::kBusy;
    it = progress == Connection::Progress::kDone ? connections_.erase(it) : std::next(it);
  }
  return moved;
}

i64 Engine::nap_ns(bool moved, i64 now_ns) {
  if (busy_) return 0;
  quiet_rounds_ = moved ? 0 : quiet_rounds_ + 1;
  if (quiet_rounds_ < kQuietRounds) return kNapNs;
  // relaxed: whoever writes after the looks below sees it, by the lock of each queue (P21)
  asleep_.store(true, std::memory_order_relaxed);
  i64 deadline = Connection::kNever;
  for (const auto& [token, connection] : connections_) {
    if (connection->has_work()) return 0;
    deadline = std::min(deadline, connection->deadline_ns());
  }
  return deadline == Connection::kNever ? -1 : std::max<i64>(0, deadline - now_ns);
}

void Engine::run() {
  os::block_signals();
  os::set_thread_name("sluice-append");
  std::array<os::SocketPoll::Event, 64> events;
  while (take_new_or_end()) {
    const i64 now = os::monotonic_ns();
    const bool moved = round(now);
    const int count = poll_.wait(events, nap_ns(moved, now));
    asleep_.store(false, std::memory_order_relaxed);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[std::size_t(i)];
      if (event.token == kFlagToken) {
        flag_.lower();
        quiet_rounds_ = 0;
      } else if (const auto it = connections_.find(event.token); it != connections_.end()) {
        it->second->on_event(event.events);
      }
    }
  }
}

}  // namespace sluice::append
