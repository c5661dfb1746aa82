#include "stream/engine.h"

#include <algorithm>
#include <utility>

#include "os/child.h"
#include "os/process.h"
#include "record/escape.h"
#include "stream/fork.h"

namespace sluice::stream {
namespace {

constexpr i64 kNapNsMin = 50'000;
constexpr i64 kNapNsMax = 5'000'000;
constexpr u32 kShardsMax = 64;
constexpr std::size_t kOpenFilesMax = 64;

class ToStandardError final : public Reporter {
 public:
  void report(std::string_view sentence) override {
    const std::string line = "sluice: " + escaped(TextForm::kText, sentence) + "\n";
    (void)os::write_fully(2, line.data(), line.size());
  }
};

// Never destroyed: streams may be closed while the process exits.
Reporter& reporter() {
  static auto* const one = new ToStandardError;
  return *one;
}

struct Running {
  std::mutex mutex;
  std::weak_ptr<Engine> engine;
  u32 forks = 0;
};
Running& running() {
  static auto* const one = new Running;
  return *one;
}

}  // namespace

Result<std::shared_ptr<Engine>> Engine::shared(u64 pool_bytes) {
  Forks::watch();
  const std::scoped_lock lock(running().mutex);
  if (running().forks == Forks::count()) {
    if (auto engine = running().engine.lock()) return engine;
  }
  auto pool = Pool::make(pool_bytes);
  if (!pool.ok()) return pool.status();
  std::shared_ptr<Engine> engine(new Engine(std::move(pool.value())));
  running().engine = engine;
  running().forks = Forks::count();
  return engine;
}

Engine::Engine(std::unique_ptr<Pool> pool) : pool_(std::move(pool)), forks_(Forks::count()) {
  for (u32 i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
}

Engine::~Engine() {
  if (forks_ != Forks::count()) {
    // A forked child has neither the threads nor what they were doing.
    for (std::thread& thread : threads_) thread.detach();
    return;
  }
  stopping_.store(true, std::memory_order_relaxed);
  Wake::step(wake_);  // release: that it stops, before the look in work() (P19)
  os::wake_all(wake_);
  for (std::thread& thread : threads_) thread.join();
}

u32 Engine::shards_for(const StreamOptions& options) const {
  const u32 shards = std::clamp(options.shards, 1u, kShardsMax);
  if (options.survive_kill) {
    // Half of its own pool is small chunks, of which a shard must never be short.
    return std::min(shards, u32(Pool::bytes_of(options.buffer_bytes) / Pool::kBytesOf[0] / 4));
  }
  // A quarter of the small chunks for streams with all their shards; those that come later have
  // one.
  const bool many = (cores_.size() + 1) * shards > pool_->small_chunks() / 4;
  return many ? 1 : shards;
}

Result<std::shared_ptr<Core>> Engine::open(std::shared_ptr<Directory> directory,
                                           std::string_view name, const StreamOptions& options) {
  Result<Claim> claim = directory->claim(name);
  if (!claim.ok()) return claim.status();
  u32 shards = 0;
  {
    const std::scoped_lock lock(mutex_);
    shards = shards_for(options);
  }
  const StreamId id{directory->id(), claim.value().line};
  // Without the lock: a disk that hangs here keeps no thread from the other streams.
  os::Io& io = directory->io();
  auto core = std::make_shared<Core>(io, *pool_, std::move(directory), std::move(claim.value()),
                                     options, shards, wake_, reporter(), id);
  if (Status status = core->start(); !status.ok()) return status;
  const std::scoped_lock lock(mutex_);
  cores_.push_back(core);
  return core;
}

bool Engine::round() {
  std::vector<std::shared_ptr<Core>> cores;
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(cores_, [](const auto& core) { return core->is_over(); });
    cores = cores_;
  }
  const i64 now = os::monotonic_ns();
  bool did = pool_->provide(now);
  const bool crowded = cores.size() > kOpenFilesMax;
  for (const auto& core : cores) did = core->round(now, crowded) || did;
  return did;
}

void Engine::work() {
  os::block_signals();
  os::set_thread_name("sluice-stream");
  i64 nap = kNapNsMin;
  for (;;) {
    const u32 seen = Wake::look(wake_);  // acquire: what the step was for (P19)
    // relaxed: stored before the step (P19)
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (round()) {
      nap = kNapNsMin;
      continue;
    }
    os::wait_on(wake_, seen, nap);
    nap = std::min(nap * 2, kNapNsMax);
  }
}

}  // namespace sluice::stream
