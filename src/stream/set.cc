#include "stream/set.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/durations.h"
#include "os/process.h"
#include "stream/users.h"

namespace sluice::stream {
namespace {

constexpr u32 kCloseMs = 5000;

// All but what is had at the moment.
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
  sum.bytes_written += one.bytes_written;
  sum.files += one.files;
  sum.flushes += one.flushes;
  sum.flush_errors += one.flush_errors;
  sum.sync_errors += one.sync_errors;
}

std::size_t first_slot(std::string_view name, std::size_t slots) {
  return std::hash<std::string_view>()(name) % slots;
}

Status not_ours() { return fatal("the set of streams belongs to the process that opened it"); }

}  // namespace

void add(Core::Times& sum, const Core::Times& one) {
  sum.flushes += one.flushes;
  sum.flush_ns += one.flush_ns;
  sum.write_ns += one.write_ns;
  sum.pwritev_ns += one.pwritev_ns;
  sum.flush_ns_max = std::max(sum.flush_ns_max, one.flush_ns_max);
  sum.write_ns_max = std::max(sum.write_ns_max, one.write_ns_max);
  sum.pwritev_ns_max = std::max(sum.pwritev_ns_max, one.pwritev_ns_max);
}

Set::Set(std::shared_ptr<Directory> directory, std::shared_ptr<Engine> engine,
         const StreamOptions& options)
    : options_(options),
      directory_(std::move(directory)),
      engine_(std::move(engine)),
      forks_(Forks::count()) {}

Set::~Set() {
  if (is_ours() && !closed_) (void)close(kCloseMs);
}

// ---- by name ----

Set::Entry* Set::find(std::string_view name) const {
  for (std::size_t at = first_slot(name, kSlots);; at = (at + 1) % kSlots) {
    Entry* const entry = Made::look(slots_[at]);  // acquire: the entry's name (P18)
    if (entry == nullptr || entry->name == name) return entry;
  }
}

// Under mutex_.
Set::Entry& Set::add_entry(std::string_view name) {
  entries_.push_back(std::make_unique<Entry>(name));
  Entry* const entry = entries_.back().get();
  std::size_t at = first_slot(name, kSlots);
  // acquire: as in find() (P18)
  while (Made::look(slots_[at]) != nullptr) at = (at + 1) % kSlots;
  Made::publish(slots_[at], entry);  // release: the entry (P18)
  return *entry;
}

template <class Each>
void Set::each_open(const Each& each) const {
  for (const std::atomic<Entry*>& slot : slots_) {
    const Entry* const entry = Made::look(slot);  // acquire: the entry (P18)
    if (entry != nullptr && Made::look(entry->open) != nullptr) each(*entry);
  }
}

bool Set::has(std::string_view name) const {
  const Entry* const entry = find(name);
  return entry != nullptr && Made::look(entry->open) != nullptr;
}

std::vector<std::string> Set::names() const {
  std::vector<std::string> names;
  each_open([&](const Entry& entry) { names.push_back(entry.name); });
  std::sort(names.begin(), names.end());
  return names;
}

// ---- opening ----

// Waits while another opens the same stream. Ok and not begun: it is open.
Status Set::begin_opening(std::string_view name, bool& begun) {
  for (;;) {
    const u32 seen = Wake::look(opened_word_);  // acquire: the opening that is over (P19)
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return fatal("the set of streams is closed");
      const Entry* const entry = find(name);
      if (entry != nullptr && entry->core != nullptr) return {};
      if (!opening_.contains(name)) {
        const auto fresh = std::count_if(opening_.begin(), opening_.end(),
                                         [this](const auto& one) { return find(one) == nullptr; });
        if (entry == nullptr && entries_.size() + std::size_t(fresh) >= kNamesMax) {
          return status_ = fatal("a set has at most 4096 streams");
        }
        opening_.emplace(name);
        begun = true;
        return {};
      }
    }
    os::wait_on(opened_word_, seen, -1);
  }
}

Status Set::open_stream(std::string_view name) {
  if (!is_ours()) return not_ours();
  bool begun = false;
  if (Status status = begin_opening(name, begun); !status.ok() || !begun) return status;
  auto opened = engine_->open(directory_, name, options_);
  Status status = opened.status();
  {
    const std::scoped_lock lock(mutex_);
    opening_.erase(opening_.find(name));
    if (!opened.ok()) {
      status_ = status;
    } else if (closed_) {
      opened.value()->begin_close();
      gone_.push_back(std::move(opened.value()));
      status = fatal("the set of streams is closed");
    } else {
      Entry* entry = find(name);
      if (entry == nullptr) entry = &add_entry(name);
      entry->core = std::move(opened.value());
      Made::publish(entry->open, entry->core.get());  // release: the core (P18)
    }
  }
  Wake::step(opened_word_);  // release: what came of it (P19)
  os::wake_all(opened_word_);
  return status;
}

Admission Set::write(std::string_view name, std::string_view record) noexcept {
  do {
    if (const Entry* const entry = find(name)) {
      const Use<Core> core(entry->open);
      if (core.get() != nullptr) return core.get()->write(record);
    }
    // Where another closes it at once, again.
  } while (open_stream(name).ok());
  // relaxed: a count, as in statistics()
  dropped_stopped_.fetch_add(1, std::memory_order_relaxed);
  return Admission::kStopped;
}

// ---- flushing, closing ----

std::vector<std::shared_ptr<Core>> Set::open_cores() const {
  std::vector<std::shared_ptr<Core>> cores;
  const std::scoped_lock lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->core != nullptr) cores.push_back(entry->core);
  }
  return cores;
}

bool Set::flush(u32 timeout_ms, bool durable) {
  if (!is_ours()) return false;
  bool complete = true;
  const i64 until = os::monotonic_ns() + i64{timeout_ms} * kNsPerMs;
  for (const auto& core : open_cores()) {
    const i64 left_ms = std::max<i64>(until - os::monotonic_ns(), 0) / kNsPerMs;
    complete = core->flush(u32(left_ms), durable, false) && complete;
  }
  return complete;
}

Status Set::close_stream(std::string_view name, u32 timeout_ms) {
  if (!is_ours()) return not_ours();
  std::shared_ptr<Core> core;
  {
    const std::scoped_lock lock(mutex_);
    if (const Entry* const entry = find(name)) core = entry->core;
  }
  if (core == nullptr) return fatal("there is no open stream '" + std::string(name) + "'");
  Status status = core->close(timeout_ms);
  const std::scoped_lock lock(mutex_);
  Entry& entry = *find(name);
  // Unless another closed it too, and it was opened again since.
  if (core->is_over() && entry.core == core) {
    // release: nothing; the next record makes another (P18)
    Made::publish(entry.open, static_cast<Core*>(nullptr));
    gone_.push_back(std::move(entry.core));
  }
  delete_unused();
  return status;
}

// Under mutex_.
void Set::delete_unused() {
  if (gone_.empty() || !Users::pass_barrier()) return;
  std::erase_if(gone_, [this](const std::shared_ptr<Core>& core) {
    if (!core->is_over() || Users::in_use(core.get())) return false;
    add(deleted_, core->statistics());
    add(deleted_times_, core->times());
    return true;
  });
}

Status Set::close(u32 timeout_ms) {
  if (!is_ours()) return not_ours();
  const i64 until = os::monotonic_ns() + i64{timeout_ms} * kNsPerMs;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  const auto cores = open_cores();
  // All of them begin to close before the first is waited for.
  for (const auto& core : cores) core->begin_close();
  Status first;
  for (const auto& core : cores) {
    const i64 left_ms = std::max<i64>(until - os::monotonic_ns(), 0) / kNsPerMs;
    Status status = core->close(u32(left_ms));
    if (first.ok()) first = std::move(status);
  }
  return first;
}

// ---- what is told ----

template <class Each>
void Set::each_core(const Each& each) const {
  for (const auto& entry : entries_) {
    if (entry->core != nullptr) each(*entry->core);
  }
  for (const auto& core : gone_) each(*core);
}

StreamStatistics Set::statistics() const {
  StreamStatistics sum;
  const auto add_one = [&](const Core& core) {
    const StreamStatistics one = core.statistics();
    add(sum, one);
    sum.memory_bytes += one.memory_bytes;
    if (options_.survive_kill) sum.pool_memory_bytes += one.pool_memory_bytes;
  };
  if (is_ours()) {
    const std::scoped_lock lock(mutex_);
    sum = deleted_;
    each_core(add_one);
  } else {
    each_open([&](const Entry& entry) { add_one(*Made::look(entry.open)); });  // acquire (P18)
  }
  if (!options_.survive_kill) sum.pool_memory_bytes = engine_->pool_memory_bytes();
  sum.dropped_stopped += dropped_stopped_.load(std::memory_order_relaxed);
  return sum;
}

Core::Times Set::times() const {
  if (!is_ours()) return {};
  const std::scoped_lock lock(mutex_);
  Core::Times sum = deleted_times_;
  each_core([&](const Core& core) { add(sum, core.times()); });
  return sum;
}

Status Set::status() const {
  if (!is_ours()) return not_ours();
  const std::scoped_lock lock(mutex_);
  if (!status_.ok()) return status_;
  for (const auto& entry : entries_) {
    if (entry->core == nullptr) continue;
    if (Status status = entry->core->status(); !status.ok()) return status;
  }
  return {};
}

std::size_t Set::gone_streams() const {
  const std::scoped_lock lock(mutex_);
  return gone_.size();
}

}  // namespace sluice::stream
