#include "front/front.h"

#include <cstdlib>
#include <new>

#include "base/fixed_text.h"
#include "os/memory.h"
#include "os/path.h"
#include "os/process.h"

namespace sluice {
inline namespace v1 {
namespace detail {

constinit thread_local ThreadBlock t_block{};
constinit std::atomic<std::uint8_t> g_cold{kCold};

std::uint64_t ticks_now() noexcept {
#if defined(__x86_64__)
  if (!front::g_front.clock_is_slow.load(std::memory_order_relaxed)) return __builtin_ia32_rdtsc();
#endif
  return std::uint64_t(os::monotonic_ns());
}

void count_filtered_unattached() noexcept {
  if (front::g_front.region.exists()) {
    front::g_front.region.wake().filtered.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace detail
}  // namespace v1

namespace front {

constinit Front g_front;

namespace {

// relaxed: looked at by this thread and its handlers only.
constinit thread_local std::atomic<bool> t_creating{false};

void fill_labels(region::RegionOptions& options) {
  // start() may come later, or never; a recovery looks where the variable says.
  const char* directory = std::getenv("SLUICE_REGION_DIRECTORY");
  if (!options.directory[0] && directory && os::is_absolute(directory)) {
    copy_text(options.directory, directory);
  }
  if (!options.program[0]) copy_text(options.program, os::program_path());
  if (!options.product[0]) copy_text(options.product, os::program_name());
  if (!options.host[0]) copy_text(options.host, os::host_name());
}

bool create_region(Front& front) {
  install_process_handlers();
  region::RegionOptions& options = front.options.first.region;
  fill_labels(options);
  // The invariant TSC is what the call reads; everything else goes through make_room().
  front.clock_is_slow.store(!os::has_invariant_tsc(), std::memory_order_relaxed);
  if (!front.reservation) front.reservation = os::reserve(options.reserved_bytes);
  if (!front.reservation) return false;
  if (front.region.create(options, front.reservation) != 0) return false;
  region::LoggerEntry& root = front.region.loggers()[0];
  root.rule.store(u8(front.options.first.level), std::memory_order_relaxed);
  root.level.store(u8(front.options.first.level), std::memory_order_relaxed);
  root.threshold.store(u8(front.options.first.level), std::memory_order_relaxed);
  front.region.wake().loggers_used.store(1, std::memory_order_relaxed);
  front.region.controls()[kSiteUnknown].store(detail::kOn, std::memory_order_relaxed);
  return true;
}

}  // namespace

bool Front::creating_here() { return t_creating.load(std::memory_order_relaxed); }

bool ensure_region(const RegionWanted* wanted) {
  Front& front = g_front;
  bool made = false;
  const auto make = [&] {
    front.creator.store(os::thread_id(), std::memory_order_relaxed);
    t_creating.store(true, std::memory_order_relaxed);
    if (wanted) front.options.first = *wanted;
    made = create_region(front);
    t_creating.store(false, std::memory_order_relaxed);
    return made;
  };
  const auto wait = [&] {
    // A handler that interrupted the creator must not wait for it.
    if (front.creator.load(std::memory_order_relaxed) == os::thread_id()) return false;
    os::yield();
    return true;
  };
  if (!front.phase.ensure(make, wait)) return false;
  if (made && front.started_in_parent.load(std::memory_order_relaxed)) {
    kRuntimeHooks.start_in_child();
  }
  return front.region.exists();
}

}  // namespace front
}  // namespace sluice
