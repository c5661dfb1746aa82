// A call site: what is known of one logging call at compile time, and its state at run time.
//
// Threading: constant-initialised, never destroyed; registration (src/front/registry.h) may run in
// several threads and in a signal handler at once.
#ifndef SLUICE_DETAIL_CALL_SITE_H_
#define SLUICE_DETAIL_CALL_SITE_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sluice/detail/site_format.h"
#include "sluice/detail/thread_block.h"
#include "sluice/level.h"

namespace sluice {
inline namespace v1 {
namespace detail {

// What the source says of a call.
struct SiteText {
  RecordKind kind = RecordKind::kLog;
  Level level = Level::info;
  MetricKind metric = MetricKind::kNone;
  std::uint8_t flags = 0;  // SiteFlag
  std::uint32_t line = 0;
  const char* file = "";
  const char* function = "";
  const char* logger = "";
  std::string_view format;
  std::string_view unit;
};

struct SiteOrders {
  static constexpr std::memory_order publish_id = std::memory_order_release;       // P7
  static constexpr std::memory_order see_id = std::memory_order_acquire;           // P7
  static constexpr std::memory_order know_id = std::memory_order_acquire;          // P7
  static constexpr std::memory_order publish_control = std::memory_order_release;  // P7
  static constexpr std::memory_order read_control = std::memory_order_acquire;     // P7
};

// A site's number, and where its control byte is (P7); a logger's likewise, whose name is its
// definition and whose threshold its control byte. A thread that registers the site publishes
// its definition, then `id`, then the pointer to the byte; a call that reads the byte through the
// pointer has a number whose definition every reader of its record finds. Where several threads
// register at once, the first `id` holds for all of them.
template <class Sync, class Orders = SiteOrders>
struct SiteWords {
  using Control = typename Sync::template Atomic<std::uint8_t>;

  typename Sync::template Atomic<Control*> control;
  typename Sync::template Atomic<std::uint32_t> id{0};

  constexpr explicit SiteWords(Control* cold) noexcept : control(cold) {}

  [[nodiscard]] SLUICE_INLINE std::uint8_t control_value() const noexcept {
    // acquire: pairs with the release in publish() (P7)
    // relaxed: a hint; what hangs on it was ordered by the pointer (P7)
    return control.load(Orders::read_control)->load(std::memory_order_relaxed);
  }
  // The number of an earlier registration, its definition with it; 0: none.
  [[nodiscard]] std::uint32_t known_id() const noexcept {
    // acquire: pairs with the release in publish_id() (P7)
    return id.load(Orders::know_id);
  }
  // Puts `number` in the place of `before`. Returns the number that holds now.
  std::uint32_t publish_id(std::uint32_t before, std::uint32_t number) noexcept {
    // release; acquire on failure: whoever comes second knows the definition of the first, and
    // passes it on with its own publish_control() (P7)
    return id.compare_exchange_strong(before, number, Orders::publish_id, Orders::see_id) ? number
                                                                                          : before;
  }
  void publish_control(Control* byte) noexcept {
    // release: the id, and its definition, before the acquire in control_value() (P7)
    control.store(byte, Orders::publish_control);
  }
};

// What the process knows of it.
struct CallSite : SiteWords<RealSync> {
  bool may_use_reserve;  // warnings and above, state, params: the last 1/8 of a ring is theirs
  bool is_state;

  constexpr CallSite(Level level, RecordKind kind) noexcept
      : SiteWords(&g_cold),
        may_use_reserve(level >= Level::warning || kind == RecordKind::kState ||
                        kind == RecordKind::kParam),
        is_state(kind == RecordKind::kState) {}
};

// Everything that registration needs besides the site itself.
struct SiteShape {
  const SiteText* text;
  const ArgType* types;
  const std::string_view* names;  // null: all take their names from the format text
  std::uint32_t count;
};

// Room for a record of `bytes` inside a call at `position` (which a wrap moves): reserve, waiting
// under Overflow::block, or a drop, which is counted. False: dropped as `why`.
SLUICE_API SLUICE_COLD bool make_room(CallSite& site, std::uint64_t& position, std::size_t bytes,
                                      Admission& why) noexcept;

// Clock ticks for a record of the cold path: there the clock may not be the TSC.
SLUICE_API std::uint64_t ticks_now() noexcept;

SLUICE_API void count_filtered_unattached() noexcept;
SLUICE_INLINE void count_filtered() noexcept {
  std::atomic<std::uint64_t>* const cell = t_block.filtered;
  if (!cell) [[unlikely]]
    return count_filtered_unattached();
  RealSync::add_one(*cell);
}

// The frame of a call on the cold path: on from admission to the end of the call.
struct SLUICE_API ColdCall {
  // Admits the call, attaches the thread and enters the call at `position`. False: the call is
  // refused as `why`, counted. A call that interrupted another one on its own thread gets a small
  // ring of its own.
  SLUICE_COLD bool begin(CallSite& site, const SiteShape& shape, Admission& why) noexcept;
  // Publishes up to `to`; in immediate mode merges and runs the sinks in the caller.
  SLUICE_COLD void end(std::uint64_t to) noexcept;

  std::uint64_t position = 0;
  bool nested = false;
  bool run_after = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_CALL_SITE_H_
