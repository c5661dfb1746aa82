// sluice::Stream and sluice::StreamSet: handles on cores and the engine.
#include "sluice/stream.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <utility>

#include "base/made.h"
#include "os/path.h"
#include "os/process.h"
#include "stream/engine.h"
#include "stream/fork.h"

namespace sluice {
inline namespace v1 {
namespace {

using stream::Core;
using stream::Engine;
using stream::KeptMemory;

constexpr u32 kCloseMs = 5000;
constexpr u32 kNamesMax = 4096;
constexpr u32 kSlots = 2 * kNamesMax;

Status mistakes_in(const StreamOptions& options) {
  std::string text;
  const auto mistake = [&text](std::string_view what) {
    if (!text.empty()) text += "\n";
    text += what;
  };
  if (options.buffer_bytes < stream::Pool::kBytesOf[0]) mistake("buffer_bytes is at least 65536");
  if (options.survive_kill && options.buffer_bytes > KeptMemory::kBytesMax) {
    mistake("buffer_bytes is at most 64 GiB with survive_kill");
  }
  if (options.shards == 0) mistake("shards is at least 1");
  if (options.batch_percent == 0 || options.batch_percent > 100) {
    mistake("batch_percent is from 1 to 100");
  }
  if (options.flush_interval_ms == 0) mistake("flush_interval_ms is at least 1");
  if (options.pool_bytes < stream::Pool::kBytesMin) mistake("pool_bytes is at least 1048576");
  return text.empty() ? Status() : fatal(std::move(text));
}

Result<std::shared_ptr<stream::Directory>> open_directory(std::string_view path) {
  return stream::Directory::open(os::real_io(), os::absolute_path(path.empty() ? "." : path));
}

void add(StreamStatistics& sum, const StreamStatistics& one) {
  sum.accepted += one.accepted;
  sum.dropped_full += one.dropped_full;
  sum.dropped_too_big += one.dropped_too_big;
  sum.dropped_stopped += one.dropped_stopped;
  sum.dropped_refused += one.dropped_refused;
  sum.lost += one.lost;
  sum.lost_earlier += one.lost_earlier;
  sum.kept_earlier += one.kept_earlier;
  sum.left_in_memory += one.left_in_memory;
  sum.memory_bytes += one.memory_bytes;
  sum.pool_memory_bytes = std::max(sum.pool_memory_bytes, one.pool_memory_bytes);
  sum.bytes_written += one.bytes_written;
  sum.files += one.files;
  sum.flushes += one.flushes;
  sum.flush_errors += one.flush_errors;
  sum.sync_errors += one.sync_errors;
}

void add(Core::Times& sum, const Core::Times& one) {
  sum.flushes += one.flushes;
  sum.flush_ns += one.flush_ns;
  sum.write_ns += one.write_ns;
  sum.pwritev_ns += one.pwritev_ns;
  sum.flush_ns_max = std::max(sum.flush_ns_max, one.flush_ns_max);
  sum.write_ns_max = std::max(sum.write_ns_max, one.write_ns_max);
  sum.pwritev_ns_max = std::max(sum.pwritev_ns_max, one.pwritev_ns_max);
}

FlushMetrics metrics_of(const Core::Times& times) {
  constexpr double kMs = 1e6;
  const double count = double(std::max<u64>(times.flushes, 1));
  const double flush = double(std::max<i64>(times.flush_ns, 1));
  return {.flushes = times.flushes,
          .flush_ms_average = double(times.flush_ns) / kMs / count,
          .flush_ms_max = double(times.flush_ns_max) / kMs,
          .write_ms_average = double(times.write_ns) / kMs / count,
          .write_ms_max = double(times.write_ns_max) / kMs,
          .pwritev_ms_average = double(times.pwritev_ns) / kMs / count,
          .pwritev_ms_max = double(times.pwritev_ns_max) / kMs,
          .write_share = double(times.write_ns) / flush,
          .pwritev_share = double(times.pwritev_ns) / flush};
}

}  // namespace

// The engine after the core: it ends when the last of them has gone, outside its own threads.
struct Stream::Impl {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Core> core;

  ~Impl() {
    if (core && core->is_ours() && !core->is_over()) (void)core->close(kCloseMs);
    core.reset();
  }
};

Stream::Stream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Result<Stream> Stream::open(std::string_view directory, std::string_view name,
                            const StreamOptions& options) {
  if (Status status = mistakes_in(options); !status.ok()) return status;
  auto there = open_directory(directory);
  if (!there.ok()) return there.status();
  auto engine = Engine::shared(options.pool_bytes);
  if (!engine.ok()) return engine.status();
  auto core = engine.value()->open(there.value(), name, options);
  if (!core.ok()) return core.status();
  auto impl = std::make_shared<Impl>();
  impl->engine = std::move(engine.value());
  impl->core = std::move(core.value());
  return Stream(std::move(impl));
}

Admission Stream::write(std::string_view record) noexcept { return impl_->core->write(record); }
bool Stream::flush(std::uint32_t timeout_ms, Reach reach) {
  return impl_->core->flush(timeout_ms, reach > Reach::written, false);
}
bool Stream::rotate(std::uint32_t timeout_ms) {
  return impl_->core->flush(timeout_ms, false, true);
}
Status Stream::close(std::uint32_t timeout_ms) { return impl_->core->close(timeout_ms); }
StreamStatistics Stream::statistics() const { return impl_->core->statistics(); }
FlushMetrics Stream::flush_metrics() const { return metrics_of(impl_->core->times()); }
Status Stream::status() const { return impl_->core->status(); }
std::string Stream::path() const { return impl_->core->path(); }
std::size_t Stream::record_bytes_max() const { return impl_->core->record_bytes_max(); }

// Names are found without a lock: a table of addresses that are stored once (P18).
struct StreamSet::Impl {
  struct Entry {
    explicit Entry(std::string_view given) : name(given) {}
    const std::string name;
    std::atomic<Core*> open{nullptr};          // null: closed, its next record opens it
    std::vector<std::shared_ptr<Core>> cores;  // the last one is `open`
  };

  [[nodiscard]] Entry* find(std::string_view name) const {
    for (std::size_t at = slot_of(name);; at = (at + 1) % kSlots) {
      Entry* const entry = Made::look(slots[at]);  // acquire: the entry's name (P18)
      if (entry == nullptr || entry->name == name) return entry;
    }
  }
  [[nodiscard]] Core* find_open(std::string_view name) const {
    Entry* const entry = find(name);
    return entry == nullptr ? nullptr : Made::look(entry->open);  // acquire: the core (P18)
  }
  Result<Core*> open_stream(std::string_view name);
  template <class Each>
  void each_open(const Each& each) {
    const std::scoped_lock lock(mutex);
    for (const auto& entry : entries) {
      if (Core* const core = Made::look(entry->open)) each(*entry, *core);  // acquire (P18)
    }
  }
  static std::size_t slot_of(std::string_view name) {
    return std::hash<std::string_view>()(name) % kSlots;
  }

  StreamOptions options;
  std::shared_ptr<stream::Directory> directory;
  std::shared_ptr<Engine> engine;
  const u32 forks = stream::Forks::count();
  mutable std::mutex mutex;  // what follows, and every change of an entry
  std::vector<std::unique_ptr<Entry>> entries;
  std::array<std::atomic<Entry*>, kSlots> slots{};
  Status status;
  bool closed = false;
  // relaxed: counts
  std::atomic<u64> dropped_stopped{0};
};

Result<Core*> StreamSet::Impl::open_stream(std::string_view name) {
  // Before the mutex, which somebody may have held when it forked.
  if (forks != stream::Forks::count()) {
    return fatal("the set of streams belongs to the process that opened it");
  }
  const std::scoped_lock lock(mutex);
  if (closed) return fatal("the set of streams is closed");
  Entry* entry = find(name);
  if (entry != nullptr && !entry->cores.empty() && Made::look(entry->open) != nullptr) {
    return Made::look(entry->open);  // acquire, both: another was faster (P18)
  }
  if (entry == nullptr && entries.size() == kNamesMax) {
    return status = fatal("a set has at most 4096 streams");
  }
  auto core = engine->open(directory, name, options);
  if (!core.ok()) return status = core.status();
  if (entry == nullptr) {
    entries.push_back(std::make_unique<Entry>(name));
    entry = entries.back().get();
    std::size_t at = slot_of(name);
    // acquire: as in find() (P18)
    while (Made::look(slots[at]) != nullptr) at = (at + 1) % kSlots;
    Made::publish(slots[at], entry);  // release: the entry (P18)
  }
  entry->cores.push_back(core.value());
  Made::publish(entry->open, core.value().get());  // release: the core (P18)
  return core.value().get();
}

StreamSet::StreamSet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamSet::StreamSet(StreamSet&&) noexcept = default;
StreamSet& StreamSet::operator=(StreamSet&&) noexcept = default;
StreamSet::~StreamSet() {
  if (impl_ != nullptr && !impl_->closed) (void)close(kCloseMs);
}

Result<StreamSet> StreamSet::open(std::string_view directory, const StreamOptions& options) {
  if (Status status = mistakes_in(options); !status.ok()) return status;
  auto there = open_directory(directory);
  if (!there.ok()) return there.status();
  auto engine = Engine::shared(options.pool_bytes);
  if (!engine.ok()) return engine.status();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->directory = std::move(there.value());
  impl->engine = std::move(engine.value());
  return StreamSet(std::move(impl));
}

Admission StreamSet::write(std::string_view name, std::string_view record) noexcept {
  Core* core = impl_->find_open(name);
  if (core == nullptr) {
    const auto opened = impl_->open_stream(name);
    core = opened.ok() ? opened.value() : nullptr;
  }
  if (core != nullptr) return core->write(record);
  impl_->dropped_stopped.fetch_add(1, std::memory_order_relaxed);
  return Admission::kStopped;
}

Status StreamSet::initialize(std::string_view name) {
  if (has(name)) return {};
  return impl_->open_stream(name).status();
}

bool StreamSet::has(std::string_view name) const { return impl_->find_open(name) != nullptr; }

std::vector<std::string> StreamSet::names() const {
  std::vector<std::string> names;
  impl_->each_open([&](const Impl::Entry& entry, Core&) { names.push_back(entry.name); });
  std::sort(names.begin(), names.end());
  return names;
}

Status StreamSet::close_stream(std::string_view name, std::uint32_t timeout_ms) {
  Core* core = nullptr;
  {
    const std::scoped_lock lock(impl_->mutex);
    Impl::Entry* const entry = impl_->find(name);
    if (entry != nullptr) core = Made::look(entry->open);  // acquire: the core (P18)
    if (core == nullptr) return fatal("there is no open stream '" + std::string(name) + "'");
  }
  Status status = core->close(timeout_ms);
  const std::scoped_lock lock(impl_->mutex);
  // Unless another closed it too, and it was opened again since. acquire: as above (P18)
  std::atomic<Core*>& open = impl_->find(name)->open;
  if (core->is_over() && Made::look(open) == core) {
    // release: nothing; the next record makes another (P18)
    Made::publish(open, static_cast<Core*>(nullptr));
  }
  return status;
}

bool StreamSet::flush(std::uint32_t timeout_ms, Reach reach) {
  bool complete = true;
  const i64 until = os::monotonic_ns() + i64{timeout_ms} * 1'000'000;
  impl_->each_open([&](const Impl::Entry&, Core& core) {
    const i64 left_ms = std::max<i64>(until - os::monotonic_ns(), 0) / 1'000'000;
    complete = core.flush(u32(left_ms), reach > Reach::written, false) && complete;
  });
  return complete;
}

Status StreamSet::close(std::uint32_t timeout_ms) {
  const i64 until = os::monotonic_ns() + i64{timeout_ms} * 1'000'000;
  Status first;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->closed = true;
  }
  // All of them begin to close before the first is waited for.
  for (const bool wait : {false, true}) {
    impl_->each_open([&](const Impl::Entry&, Core& core) {
      if (!core.is_ours()) return;
      if (!wait) return core.begin_close();
      const i64 left_ms = std::max<i64>(until - os::monotonic_ns(), 0) / 1'000'000;
      Status status = core.close(u32(left_ms));
      if (first.ok()) first = std::move(status);
    });
  }
  return first;
}

StreamStatistics StreamSet::statistics() const {
  StreamStatistics sum;
  const std::scoped_lock lock(impl_->mutex);
  for (const auto& entry : impl_->entries) {
    for (const auto& core : entry->cores) add(sum, core->statistics());
  }
  sum.dropped_stopped += impl_->dropped_stopped.load(std::memory_order_relaxed);
  return sum;
}

FlushMetrics StreamSet::flush_metrics() const {
  Core::Times sum;
  const std::scoped_lock lock(impl_->mutex);
  for (const auto& entry : impl_->entries) {
    for (const auto& core : entry->cores) add(sum, core->times());
  }
  return metrics_of(sum);
}

Status StreamSet::status() const {
  const std::scoped_lock lock(impl_->mutex);
  if (!impl_->status.ok()) return impl_->status;
  for (const auto& entry : impl_->entries) {
    const Core* const core = Made::look(entry->open);  // acquire: the core (P18)
    if (core != nullptr && !core->status().ok()) return core->status();
  }
  return {};
}

}  // namespace v1
}  // namespace sluice
