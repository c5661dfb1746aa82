#include "append_server/engine.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "append_server/python_error.h"
#include "base/never_destroyed.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::append_server {
namespace {

// Tokens of the poll: clients have theirs above.
constexpr u64 kWakeToken = 0;
constexpr u64 kFirstListener = 1;
constexpr u64 kFirstClient = 1024;

constexpr std::size_t kEventsMax = 64;
constexpr int kAcceptsMax = 1024;
// How long nobody is accepted where there is no descriptor, not even to refuse by.
constexpr i64 kDeafNs = 100'000'000;
constexpr i64 kLookNs = 1'000'000'000;
constexpr std::size_t kReceiveBytes = 256 << 10;
constexpr u32 kThreadsLeast = 4;

// Beside the threads that hang: as many as there are processors, and a few whose disk is slow.
Workers::Options worker_options() {
  return {.active_max = std::max(kThreadsLeast, std::thread::hardware_concurrency())};
}

std::span<char> buffer_of_thread() {
  // Freed with its thread.
  static thread_local const std::unique_ptr<char[]> buffer(new char[kReceiveBytes]);
  return {buffer.get(), kReceiveBytes};
}

}  // namespace

Service::Engine::Engine(ServiceOptions options,
                        std::shared_ptr<const os::AllowedDirectories> directories)
    : workers_(worker_options(), [this](u64 id) { take_turn(id); }) {
  shared_.limits.set(options, std::move(directories));
  shared_.options = std::move(options);
}

Service::Engine::~Engine() {
  for (int& listener : shared_.options.listeners) os::close_descriptor(listener);
  os::close_descriptor(shared_.carried);
}

Status Service::Engine::start() {
  os::Io& io = os::real_io();
  shared_.carried = io.open("/dev/null", os::kRead);
  int error = std::min({poll_.status(), shared_.carried, reserve_.status(), 0});
  if (error == 0) error = poll_.add(wake_.fd(), os::kReadable, os::SocketPoll::kEdge, kWakeToken);
  u64 token = kFirstListener;
  for (const int listener : shared_.options.listeners) {
    if (error == 0) error = poll_.add(listener, os::kReadable, os::SocketPoll::kOnce, token++);
  }
  if (error < 0) return fatal("the append service cannot start: " + os::error_text(error));
  thread_ = std::thread([this] { run(); });
  return {};
}

void Service::Engine::run() {
  os::block_signals();
  os::set_thread_name("sluice-append");
  i64 wait_ns = 0;
  while (true) {
    os::SocketPoll::Event events[kEventsMax];
    const int count = take_events(events, wait_ns);
    {
      const std::lock_guard lock(mutex_);
      if (stop_wanted_) break;
    }
    for (int i = 0; i < count; ++i) {
      const u64 token = events[i].token;
      if (token == kWakeToken || token >= kFirstClient) continue;
      accept_from(token - kFirstListener);
    }
    wait_ns = next_wait_ns();
    if (deaf_until_ns_ != 0) {
      listen_again(os::monotonic_ns());
      wait_ns = std::min(wait_ns, kDeafNs);
    }
  }
  begin_stop();
  serve_until_gone();
}

// Turns go on until nobody is left, or stop() has waited long enough.
void Service::Engine::serve_until_gone() {
  while (true) {
    const i64 wait_ns = next_wait_ns();
    {
      const std::lock_guard lock(mutex_);
      if (clients_.empty() || stop_over_) return;
    }
    os::SocketPoll::Event events[kEventsMax];
    (void)take_events(events, wait_ns);
  }
}

int Service::Engine::take_events(std::span<os::SocketPoll::Event> events, i64 wait_ns) {
  const int count = poll_.wait(events, wait_ns);
  const std::lock_guard lock(mutex_);
  ping_came_ = true;
  for (int i = 0; i < count; ++i) {
    const u64 token = events[std::size_t(i)].token;
    if (token < kFirstClient) continue;
    // One that has ended since is no more there.
    const auto at = clients_.find(token - kFirstClient);
    if (at != clients_.end()) hand_out(at->first, at->second, kSocket);
  }
  return count;
}

i64 Service::Engine::next_wait_ns() {
  const i64 now_ns = os::monotonic_ns();
  const i64 time_ns = obey_times(now_ns);
  const i64 look_ns = workers_.look(now_ns);
  return look_ns < 0 ? time_ns : std::min(time_ns, look_ns);
}

// Armed again at once, but where it would be reported for ever.
void Service::Engine::accept_from(u64 listener) {
  const int socket = shared_.options.listeners[listener];
  if (accept_all(socket)) {
    poll_.change(socket, os::kReadable, os::SocketPoll::kOnce, kFirstListener + listener);
  } else {
    deaf_until_ns_ = os::monotonic_ns() + kDeafNs;
  }
}

void Service::Engine::listen_again(i64 now_ns) {
  if (now_ns < deaf_until_ns_) return;
  reserve_.refill();
  deaf_until_ns_ = 0;
  u64 token = kFirstListener;
  for (const int listener : shared_.options.listeners) {
    poll_.change(listener, os::kReadable, os::SocketPoll::kOnce, token++);
  }
}

// Only so many at a time: clients that come without an end keep those that are there from nothing.
bool Service::Engine::accept_all(int listener) {
  for (int i = 0; i < kAcceptsMax; ++i) {
    const int socket = os::accept_unix(listener);
    if (socket == -EMFILE || socket == -ENFILE) return make_room(listener);
    if (socket < 0) break;
    greet_new(socket);
  }
  return true;
}

// A client is not left to wait for a descriptor that it might be accepted by. A turn that opens its
// file may take the one in reserve meanwhile.
bool Service::Engine::make_room(int listener) {
  reserve_.give_up_one();
  const int socket = os::accept_unix(listener);
  if (socket >= 0) refuse(socket, "no descriptor is left for another client; try again later");
  reserve_.refill();
  return socket != -EMFILE && socket != -ENFILE;
}

void Service::Engine::refuse(int socket, std::string_view why) {
  count(shared_.counters.clients_refused);
  shared_.say(true, "A client was refused: " + std::string(why));
  const std::string text = python_error(EAGAIN) + ": " + std::string(why) + '\0';
  (void)os::send_some(socket, text.data(), text.size());
  os::end_receiving(socket);
  os::close_descriptor(socket);
}

void Service::Engine::greet_new(int socket) {
  os::Peer peer;
  (void)os::peer_of(socket, peer);
  const Limits& limits = shared_.limits;
  const u32 per_user_max = limits.clients_per_user_max();
  std::unique_lock lock(mutex_);
  const i64 now_ns = os::monotonic_ns();
  std::erase_if(users_, [&](const auto& entry) {
    const User& user = entry.second;
    return user.clients == 0 && (!user.rate || user.rate->is_rested(now_ns));
  });
  User& user = users_[peer.uid];
  if (clients_.size() >= limits.clients_max() ||
      (per_user_max != 0 && user.clients >= per_user_max)) {
    lock.unlock();
    return refuse(socket, "there are too many clients; try again later");
  }
  const u64 id = next_id_++;
  if (poll_.add(socket, 0, os::SocketPoll::kOnce, kFirstClient + id) < 0) {
    lock.unlock();
    return refuse(socket, "no memory is left for another client; try again later");
  }
  ++user.clients;
  if (const u64 rate = shared_.options.bytes_per_second_per_user; !user.rate && rate != 0) {
    user.rate = std::make_shared<ByteRate>(rate);
  }
  count(shared_.counters.clients_total);
  shared_.say(false, "Client " + std::to_string(id) + " connected");
  Client& client = clients_[id];
  client.connection =
      std::make_unique<Connection>(shared_, id, socket, peer.uid, user.rate, now_ns);
  hand_out(id, client, kSocket);  // its path is mostly there already
}

void Service::Engine::hand_out(u64 id, Client& client, u32 due) {
  client.due |= due;
  if (client.busy) return;
  client.busy = true;
  client.path = client.connection->path();
  set_time(id, client, 0);
  workers_.submit({id, client.connection->key(), client.connection->place()});
}

void Service::Engine::set_time(u64 id, Client& client, i64 wake_ns) {
  if (client.wake_ns != 0) times_.erase({client.wake_ns, id});
  client.wake_ns = wake_ns;
  if (wake_ns == 0) return;
  const bool first = times_.empty() || wake_ns < times_.begin()->first;
  times_.insert({wake_ns, id});
  if (first) wake_.raise();
}

i64 Service::Engine::obey_times(i64 now_ns) {
  const std::lock_guard lock(mutex_);
  while (!times_.empty()) {
    const auto [time_ns, id] = *times_.begin();
    if (time_ns > now_ns) return time_ns - now_ns;
    hand_out(id, clients_.at(id), kTime);
  }
  return kLookNs;
}

void Service::Engine::take_turn(u64 id) {
  Connection* taken = nullptr;
  u32 due = 0;
  {
    const std::lock_guard lock(mutex_);
    Client& client = clients_.find(id)->second;
    taken = client.connection.get();
    due = std::exchange(client.due, 0);
  }
  Connection& connection = *taken;  // nobody else ends it while it is busy
  const Connection::Next next = connection.take_turn(due, buffer_of_thread());
  if (next.over) {
    poll_.remove(connection.socket());
  } else if (!next.again && next.wanted != 0) {
    // Before it is idle: an event that comes at once finds it busy, and is kept.
    poll_.change(connection.socket(), next.wanted, os::SocketPoll::kOnce, kFirstClient + id);
  }
  const std::lock_guard lock(mutex_);
  end_of_turn(id, clients_.find(id), next);
}

void Service::Engine::end_of_turn(u64 id, Clients::iterator at, const Connection::Next& next) {
  Client& client = at->second;
  client.busy = false;
  if (next.over) {
    --users_.at(client.connection->user()).clients;
    clients_.erase(at);
    if (clients_.empty()) {
      gone_.notify_all();
      wake_.raise();
    }
    return;
  }
  if (next.again || client.due != 0) return hand_out(id, client, next.again ? u32{kSocket} : 0);
  set_time(id, client, next.wake_ns);
}

void Service::Engine::begin_stop() {
  // Who has connected and sent is served, though it was not accepted yet.
  for (int& listener : shared_.options.listeners) {
    (void)accept_all(listener);
    poll_.remove(listener);
    os::close_descriptor(listener);
  }
  const std::lock_guard lock(mutex_);
  for (auto& [id, client] : clients_) {
    client.connection->tell_exit();
    hand_out(id, client, kExit);
  }
  stop_begun_ = true;
  if (clients_.empty()) gone_.notify_all();
}

void Service::Engine::tell_of_left() {
  std::map<std::string, u64> files;
  for (const auto& [id, client] : clients_) ++files[client.path ? *client.path : std::string()];
  for (const auto& [path, count] : files) {
    shared_.say(true, "Clients left at the end: " + std::to_string(count) + " of " +
                          (path.empty() ? "no path yet" : shown_path(path)) +
                          ", which did not answer in time");
  }
}

ServiceStats Service::Engine::stats() const {
  const Counters& counters = shared_.counters;
  const auto of = [](const std::atomic<u64>& counter) {
    return counter.load(std::memory_order_relaxed);  // relaxed: a count
  };
  ServiceStats stats{.clients_total = of(counters.clients_total),
                     .files_opened = of(counters.files_opened),
                     .bytes_written = of(counters.bytes_written),
                     .held_bytes = of(counters.held_bytes),
                     .clients_refused = of(counters.clients_refused),
                     .opens_failed = of(counters.opens_failed),
                     .writes_failed = of(counters.writes_failed),
                     .rotations = of(counters.rotations),
                     .rate_waits = of(counters.rate_waits),
                     .lines_split = of(counters.lines_split),
                     .bytes_dropped = of(counters.bytes_dropped),
                     .stuck = workers_.stats().stuck};
  const std::lock_guard lock(mutex_);
  stats.clients = clients_.size();
  return stats;
}

bool Service::Engine::gets_on() {
  const std::lock_guard lock(mutex_);
  if (ping_sent_ && !ping_came_) return false;
  ping_sent_ = true;
  ping_came_ = false;
  wake_.raise();
  return true;
}

u64 Service::Engine::stop(u64 deadline_ns) {
  u64 left = 0;
  {
    std::unique_lock lock(mutex_);
    stop_wanted_ = true;
    wake_.raise();
    const i64 left_ns = std::max<i64>(i64(deadline_ns) - os::monotonic_ns(), 0);
    gone_.wait_for(lock, std::chrono::nanoseconds(left_ns),
                   [&] { return stop_begun_ && clients_.empty(); });
    left = clients_.size();
    tell_of_left();
    stop_over_ = true;
    wake_.raise();
  }
  if (thread_.joinable()) thread_.join();
  return std::max(left, workers_.stop(deadline_ns));
}

Service::Service(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

Result<std::unique_ptr<Service>> Service::start(ServiceOptions options) {
  auto directories = os::AllowedDirectories::open(options.directories);
  if (!directories.ok()) {
    for (int& listener : options.listeners) os::close_descriptor(listener);
    return directories.status();
  }
  os::ignore_broken_pipes();  // a FIFO whose reader has gone is an error of that file
  auto engine = std::make_shared<Engine>(std::move(options), std::move(directories.value()));
  if (Status status = engine->start(); !status.ok()) return status;
  return std::unique_ptr<Service>(new Service(std::move(engine)));
}

Service::~Service() {
  if (stop(u64(os::monotonic_ns())) == 0) return;
  // What hangs still uses it, whenever its file answers.
  never_destroyed<std::vector<std::shared_ptr<Engine>>>().push_back(engine_);
}

Status Service::set_limits(const ServiceOptions& wanted) {
  auto directories = os::AllowedDirectories::open(wanted.directories);
  if (!directories.ok()) return directories.status();
  engine_->limits().set(wanted, std::move(directories.value()));
  return {};
}

ServiceStats Service::stats() const { return engine_->stats(); }

bool Service::gets_on() { return engine_->gets_on(); }

u64 Service::stop(u64 deadline_ns) { return engine_->stop(deadline_ns); }

}  // namespace sluice::append_server
