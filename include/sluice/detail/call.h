// The call: encodes a record straight into the thread's ring. This is the hot path.
//
// After the first call of a thread and of a site it makes no system call, allocates nothing, takes
// no lock, touches no page for the first time and never waits (Overflow::block and immediate mode
// excepted). It keeps errno and never throws. Arguments stay in registers and are stored 16 bytes
// at a time: store-buffer entries are what a burst runs out of.
#ifndef SLUICE_DETAIL_CALL_H_
#define SLUICE_DETAIL_CALL_H_

#include <cstring>
#include <type_traits>
#include <utility>

#include "sluice/detail/call_site.h"
#include "sluice/detail/format_check.h"
#include "sluice/detail/value.h"

#if defined(__x86_64__)
#include <ia32intrin.h>
#endif

namespace sluice {
inline namespace v1 {

// Clock ticks now, for SLUICE_*_AT: the TSC where the processor has a usable one.
[[nodiscard]] SLUICE_INLINE std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return detail::ticks_now();
#endif
}

namespace detail {

typedef std::uint64_t TwoWords __attribute__((vector_size(16), aligned(8), may_alias));

SLUICE_INLINE void store_two(char* to, std::uint64_t low, std::uint64_t high) noexcept {
  *reinterpret_cast<TwoWords*>(to) = TwoWords{low, high};
}

template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::uint64_t word_of(Scalar<kType> value) noexcept {
  return value.word;
}
template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::uint64_t word_of(Tail<kType> value) noexcept {
  return value.size;
}
template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::size_t tail_bytes(Scalar<kType>) noexcept {
  return 0;
}
template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::size_t tail_bytes(Tail<kType> value) noexcept {
  return value.size;
}

// Copies short texts by two overlapping stores, without a call and without reading past them.
SLUICE_INLINE char* copy_text(char* to, const char* from, std::size_t size) noexcept {
  if (size >= 16 && size <= 32) {
    TwoWords first, last;
    std::memcpy(&first, from, 16);
    std::memcpy(&last, from + size - 16, 16);
    std::memcpy(to, &first, 16);
    std::memcpy(to + size - 16, &last, 16);
  } else if (size >= 8 && size < 16) {
    std::uint64_t first, last;
    std::memcpy(&first, from, 8);
    std::memcpy(&last, from + size - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + size - 8, &last, 8);
  } else if (size != 0) {
    std::memcpy(to, from, size);
  }
  return to + size;
}
template <ArgType kType>
SLUICE_INLINE char* put_tail(char* to, Scalar<kType>) noexcept {
  return to;
}
template <ArgType kType>
SLUICE_INLINE char* put_tail(char* to, Tail<kType> value) noexcept {
  return copy_text(to, value.data, value.size);
}

SLUICE_INLINE void put_words(char*) noexcept {}
SLUICE_INLINE void put_words(char* to, std::uint64_t last) noexcept {
  std::memcpy(to, &last, sizeof last);
}
template <class... Rest>
SLUICE_INLINE void put_words(char* to, std::uint64_t first, std::uint64_t second,
                             Rest... rest) noexcept {
  store_two(to, first, second);
  put_words(to + 16, rest...);
}

template <class... V>
inline constexpr bool kHasTail = (has_tail(V::type) || ...);

// Sizes above this never fit and would overflow the sum.
inline constexpr std::size_t kTailBytesMax = std::size_t{1} << 30;

template <class... V>
inline Admission write(CallSite& site, const SiteShape& shape, std::uint64_t at, V... value) noexcept;

template <class... V>
SLUICE_COLD Admission write_nested(CallSite& site, const SiteShape& shape, std::uint64_t at,
                                   V... value) noexcept {
  NestedCall nested;
  return write(site, shape, at, value...);
}

// Clears `busy` however the call ends.
struct BusyScope {
  ThreadBlock& block;
  SLUICE_INLINE explicit BusyScope(ThreadBlock& block_in) noexcept : block(block_in) {
    block.busy.store(1, std::memory_order_relaxed);
    // The handler of a signal that arrives from here on sees `busy`.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  SLUICE_INLINE ~BusyScope() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    block.busy.store(0, std::memory_order_relaxed);
  }
};

// `at`: ticks the caller has read, or 0 to read the clock here.
template <class... V>
inline Admission write(CallSite& site, const SiteShape& shape, std::uint64_t at,
                       V... value) noexcept {
  ThreadBlock& block = t_block;
  if (block.busy.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return write_nested(site, shape, at, value...);
  }
  bool run_after = false;
  {
    BusyScope busy(block);
    // Asked again inside `busy`, so that stop() knows when no call can publish any more.
    if (const std::uint8_t control = site.control_value(); control != kOn) [[unlikely]] {
      Admission why{};
      const Admit admitted = admit(site, shape, why);
      if (admitted == Admit::kStop) return why;
      run_after = admitted == Admit::kGoThenRun;
    }
    std::uint64_t now = at ? at : ticks();
    constexpr std::size_t kFixed = 16 + 8 * sizeof...(V);
    std::size_t bytes = kFixed;
    if constexpr (kHasTail<V...>) {
      if (((tail_bytes(value) > kTailBytesMax) || ...)) [[unlikely]] bytes = kTailBytesMax;
      else bytes = (kFixed + (tail_bytes(value) + ...) + 7) & ~std::size_t{7};
    }
    char* to = block.ring.write;
    if (!block.ring.fits(bytes)) [[unlikely]] {
      Admission why{};
      to = make_room(site, bytes, why);
      if (!to) return why;
      if (!at) now = ticks_now();
    }
    if constexpr (kHasTail<V...>) {
      // No stale bytes in the padding: they could be a secret that was logged here before.
      std::memset(to + bytes - 8, 0, 8);
      char* tail = to + kFixed;
      ((tail = put_tail(tail, value)), ...);
    }
    const std::uint64_t first = bytes / 8 |
                                std::uint64_t{site.id.load(std::memory_order_relaxed)} << 32;
    store_two(to, first, now);
    put_words(to + 16, word_of(value)...);
    block.ring.publish(to + bytes);
  }
  if (run_after) [[unlikely]] run_now();
  return Admission::kOk;
}

template <class... A>
inline constexpr ArgType kArgTypes[sizeof...(A) + 1] = {kArgType<A>..., ArgType::kU64};

template <class... A>
SLUICE_INLINE Admission call(CallSite& site, const SiteText& text, std::uint64_t at,
                             const A&... arg) noexcept {
  if constexpr ((is_field<A>() || ...)) {
    const std::string_view names[] = {name_of(arg)...};
    return write(site, SiteShape{&text, kArgTypes<A...>, names, sizeof...(A)}, at,
                 Holder<A>{arg}.encode()...);
  } else {
    return write(site, SiteShape{&text, kArgTypes<A...>, nullptr, sizeof...(A)}, at,
                 Holder<A>{arg}.encode()...);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_CALL_H_
