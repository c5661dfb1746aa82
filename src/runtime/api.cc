// The public functions of sluice/sluice.h.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "front/front.h"
#include "os/process.h"
#include "region/marks.h"
#include "runtime/runtime.h"
#include "sluice/exception.h"
#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace {

// No destructors: static ones call stop() when a thread's strings are gone already.
struct Kept {
  std::size_t size;
  char text[16 * 1024];
};
thread_local Kept t_last_error;
thread_local Kept t_configuration;

std::string_view keep(Kept& kept, std::string_view text) {
  kept.size = std::min(text.size(), sizeof kept.text);
  std::memcpy(kept.text, text.data(), kept.size);
  return {kept.text, kept.size};
}

constexpr int kExitBadConfiguration = 2;

bool note(std::string_view error) { return keep(t_last_error, error).empty(); }

u64 sum_of_drops(const region::Region& region, DropReason reason) {
  u64 total = 0;
  // relaxed: counters; exact once the callers are quiet
  const u32 used =
      std::min(region.wake().sites_used.load(std::memory_order_relaxed), region.header().sites_max);
  for (u32 site = 0; site < used; ++site) {
    total += region.drop_cell(site, reason).load(std::memory_order_relaxed);
  }
  return total;
}

}  // namespace

bool start(const Options& options) noexcept {
  const bool started = note(runtime::runtime().start(options));
  if (!started && !options.quiet) runtime::runtime().report(last_error());
  return started;
}

void start_or_exit(const Options& options) noexcept {
  if (!start(options)) std::_Exit(kExitBadConfiguration);
}

bool stop(std::uint32_t deadline_ms) noexcept { return note(runtime::runtime().stop(deadline_ms)); }

std::string_view last_error() noexcept { return {t_last_error.text, t_last_error.size}; }

FlushResult flush(Reach reach, std::uint32_t timeout_ms) noexcept {
  std::string problem;
  const FlushResult result = runtime::runtime().flush(reach, timeout_ms, problem);
  (void)note(problem);
  return result;
}

void set_level(std::string_view logger, Level level) noexcept {
  runtime::runtime().set_level(logger, level);
}

bool set_backtrace(std::string_view logger, std::uint32_t records, Level from) noexcept {
  return runtime::runtime().set_backtrace(logger, records, from);
}

std::uint32_t set_site_level(std::string_view place, Level level) noexcept {
  return runtime::runtime().set_site_level(place, u8(level));
}

std::uint32_t reset_site_level(std::string_view place) noexcept {
  return runtime::runtime().set_site_level(place, 0);
}

std::uint32_t set_site_rate(std::string_view place, std::uint32_t per_second) noexcept {
  using front::PlaceLimit;
  const auto kind = per_second == 0 ? PlaceLimit::Kind::kNone : PlaceLimit::Kind::kRate;
  return runtime::runtime().set_site_limit(place, {kind, per_second});
}

std::uint32_t set_site_sample(std::string_view place, std::uint32_t one_in) noexcept {
  using front::PlaceLimit;
  const auto kind = one_in <= 1 ? PlaceLimit::Kind::kNone : PlaceLimit::Kind::kSample;
  return runtime::runtime().set_site_limit(place, {kind, one_in});
}

Stats stats() noexcept { return runtime::runtime().stats(); }

std::string_view configuration() noexcept {
  return keep(t_configuration, runtime::runtime().configuration());
}

}  // namespace v1

Stats runtime::Runtime::stats() {
  const Locked lock(mutex_);
  Stats stats;
  const front::Front& front = front::g_front;
  stats.adds_lost = front.lost_adds.load(std::memory_order_relaxed);
  if (!front.region.exists()) {
    stats.dropped_no_memory = front.lost_without_region.load(std::memory_order_relaxed);
    stats.attempted = stats.dropped_no_memory;
    return stats;
  }
  const region::Region& region = front.region;
  back::EngineCounts counts;
  if (engine_) counts = engine_->counts();
  stats.merged = counts.merged;
  stats.queued = counts.queued;
  stats.damaged = counts.damaged;
  stats.late = counts.late;
  stats.held = counts.held;
  stats.dropped_ring_full = sum_of_drops(region, DropReason::kRingFull);
  stats.dropped_too_big = sum_of_drops(region, DropReason::kTooBig);
  stats.dropped_no_memory = sum_of_drops(region, DropReason::kNoMemory) +
                            front.lost_without_region.load(std::memory_order_relaxed);
  stats.dropped_stopped = sum_of_drops(region, DropReason::kStopped);
  stats.filtered = region.wake().filtered.load(std::memory_order_relaxed);
  const u32 slots = region.wake().slots_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < slots; ++i) {
    const region::RingLines* lines = region.lines_of(region.slots()[i]);
    if (lines) stats.filtered += lines->filtered.load(std::memory_order_relaxed);
  }
  stats.context_refused = region.wake().context_refused.load(std::memory_order_relaxed);
  stats.site_overflow = region.wake().site_overflow.load(std::memory_order_relaxed);
  stats.series_refused = region.metrics().lines.refused.load(std::memory_order_relaxed);
  stats.region_bytes = region.header().grown.load(std::memory_order_relaxed);
  stats.shared = region.shared();
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    // The counters of a place that opens are not those of the sink before it (P15).
    if (region::Marks::look(entry.state) == region::SinkState::kUnused) continue;
    SinkStats& sink = stats.sink[stats.sinks++];
    sink.delivered = entry.delivered.load(std::memory_order_relaxed);
    sink.filtered = entry.filtered.load(std::memory_order_relaxed);
    sink.dropped_backlog = entry.dropped_backlog.load(std::memory_order_relaxed);
    sink.dropped_error = entry.dropped_error.load(std::memory_order_relaxed);
    const u64 passed = entry.cursor_callers.load(std::memory_order_relaxed);
    sink.queued = counts.merged > passed ? counts.merged - passed : 0;
    // What a sink that was given up has not passed, nobody delivers any more.
    if (engine_ && engine_->gave_up(entry)) sink.dropped_error += std::exchange(sink.queued, 0);
  }
  stats.attempted = stats.filtered + stats.merged + stats.held + stats.queued + stats.dropped();
  return stats;
}

}  // namespace sluice
