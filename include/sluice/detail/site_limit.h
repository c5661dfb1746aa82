// What a call site remembers of its limit (sluice/limit.h).
//
// A thread counts in a lane of its own, by the slot that it has in the region: what a limit keeps
// out costs no locked instruction. Threads with a high slot, or without one, share the last lane.
// The time is what the backend's thread read when it last looked for work, 50 us to 20 ms ago: to
// read the clock costs more than all the rest. Where no backend runs every call reads it.
//
// | word            | written by             | read by  | order                                  |
// |-----------------|------------------------|----------|----------------------------------------|
// | Lane, own       | its thread, handlers   | any      | relaxed: counts, no data hangs on them |
// | Lane, shared    | any, read-modify-write | any      | the same                               |
// | told, since     | who passes, by CAS     | any      | relaxed: only makes one of them win    |
// | g_backend_ns    | the backend's thread   | any      | relaxed: a time by itself              |
//
// The limit itself is no part of this: it comes with each question, so that it may also come from
// elsewhere than the source.
#ifndef SLUICE_DETAIL_SITE_LIMIT_H_
#define SLUICE_DETAIL_SITE_LIMIT_H_

#include <atomic>
#include <cstdint>

#include "sluice/detail/thread_block.h"

namespace sluice {
inline namespace v1 {

struct Limit {
  enum class Kind : std::uint8_t { interval, nth, sample };
  Kind kind;
  std::uint64_t amount;  // ns, or N
};

namespace detail {

// The monotonic clock, as the backend's thread last read it; 0: there is none.
extern SLUICE_API constinit std::atomic<std::uint64_t> g_backend_ns;

class SiteLimit {
 public:
  // Whether the call may pass; if not, it is counted here (and by the caller as filtered). Never
  // waits, makes no system call; for signal handlers too.
  [[nodiscard]] SLUICE_INLINE bool admit(const Limit& limit) noexcept {
    if (t_block.attached && t_block.slot < kLanes) [[likely]] {
      Lane& lane = lanes_[t_block.slot];
      // relaxed, here and below: see the table
      const bool keeps_out =
          limit.kind == Limit::Kind::interval
              ? within(g_backend_ns.load(std::memory_order_relaxed), limit.amount)
              : lane.count.load(std::memory_order_relaxed) <
                    lane.next.load(std::memory_order_relaxed);
      if (keeps_out) [[likely]] {
        RealSync::add_one(lane.count);
        return false;
      }
    }
    return admit_slowly(limit);
  }
  // How many calls were kept out since this was last asked: for the record that passes.
  [[nodiscard]] SLUICE_API std::uint64_t take_suppressed() noexcept;
  // The record that was to tell it was not kept: the next one tells it.
  SLUICE_API void put_back(std::uint64_t suppressed) noexcept;
  // Whether less than an interval (ns) has passed at `now_ns` since the last one passed. A clock
  // that steps back ends the interval. 0: not known, no.
  [[nodiscard]] SLUICE_INLINE bool within(std::uint64_t now_ns,
                                          std::uint64_t interval_ns) const noexcept {
    const std::uint64_t since = since_.load(std::memory_order_relaxed);
    // Unsigned: a time before `since` is far behind it.
    return now_ns != 0 && since != 0 && now_ns - since < interval_ns;
  }
  // Begins an interval unless one goes on, or another thread is quicker.
  [[nodiscard]] SLUICE_API bool begin_interval(std::uint64_t now_ns,
                                               std::uint64_t interval_ns) noexcept;

 private:
  static constexpr std::uint32_t kLanes = 16;
  struct alignas(64) Lane {
    std::atomic<std::uint64_t> count{0};  // calls that were kept out
    std::atomic<std::uint64_t> next{0};   // nth, sample: the count at which a call passes
  };
  SLUICE_API SLUICE_COLD bool admit_slowly(const Limit& limit) noexcept;
  bool passes(const Limit& limit, Lane& lane) noexcept;

  Lane lanes_[kLanes + 1];
  std::atomic<std::uint64_t> told_{0};
  std::atomic<std::uint64_t> since_{0};  // ns, when the last one passed; 0: none
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_SITE_LIMIT_H_
