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

namespace sluice {
inline namespace v1 {

// Clock ticks now, for SLUICE_*_AT: the TSC where the processor has a usable one.
[[nodiscard]] SLUICE_INLINE std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
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
template <class V>
[[nodiscard]] SLUICE_INLINE std::uint64_t word_of(Named<V> value) noexcept {
  return word_of(value.value);
}
template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::size_t tail_bytes(Scalar<kType>) noexcept {
  return 0;
}
template <ArgType kType>
[[nodiscard]] SLUICE_INLINE std::size_t tail_bytes(Tail<kType> value) noexcept {
  return value.size;
}
template <class V>
[[nodiscard]] SLUICE_INLINE std::size_t tail_bytes(Named<V> value) noexcept {
  return tail_bytes(value.value);
}

#pragma GCC diagnostic push
#if !defined(__clang__)
// A text whose length only the run knows may lie in a smaller object than a branch here would need;
// GCC warns in the caller's file of a branch that is then never taken.
#pragma GCC diagnostic ignored "-Warray-bounds"
#endif
template <class Word>
[[nodiscard]] SLUICE_INLINE Word load_text(const char* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Puts the text, short ones without a call, without reading past them and up to 16 bytes in one
// store; it may write up to 15 bytes past them. kPad, from an aligned place: and zeros up to the
// next multiple of 8, since stale bytes in the padding could be a secret that was logged here.
template <bool kPad>
SLUICE_INLINE char* put_text(char* to, const char* from, std::size_t size) noexcept {
  using std::uint32_t, std::uint64_t;
  if (size - 9 <= 16 - 9) {
    // The second word begins within the first: what they share is shifted out.
    // Not store_two(): behind another text the place may be at any byte.
    const TwoWords both{load_text<uint64_t>(from),
                        load_text<uint64_t>(from + size - 8) >> (8 * (16 - size))};
    std::memcpy(to, &both, sizeof both);
  } else if (size - 4 <= 8 - 4) {
    const uint64_t tail = load_text<uint32_t>(from + size - 4);
    const uint64_t word = load_text<uint32_t>(from) | tail << (8 * (size - 4));
    std::memcpy(to, &word, sizeof word);
  } else if (size != 0) {
    if constexpr (kPad) std::memset(to + ((size - 1) & ~std::size_t{7}), 0, 8);
    if (size - 17 <= 32 - 17) {
      TwoWords first, last;
      std::memcpy(&first, from, 16);
      std::memcpy(&last, from + size - 16, 16);
      std::memcpy(to, &first, 16);
      std::memcpy(to + size - 16, &last, 16);
    } else {
      std::memcpy(to, from, size);
    }
  }
  return to + size;
}
#pragma GCC diagnostic pop

template <bool kPad, ArgType kType>
SLUICE_INLINE char* put_tail(char* to, Scalar<kType>) noexcept {
  return to;
}
template <bool kPad, ArgType kType>
SLUICE_INLINE char* put_tail(char* to, Tail<kType> value) noexcept {
  return put_text<kPad>(to, value.data, value.size);
}
template <bool kPad, class V>
SLUICE_INLINE char* put_tail(char* to, Named<V> value) noexcept {
  return put_tail<kPad>(to, value.value);
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
inline constexpr std::size_t kTails = (std::size_t{has_tail(V::type)} + ... + 0);

// Sizes above this never fit and would overflow the sum.
inline constexpr std::size_t kTailBytesMax = std::size_t{1} << 30;

template <class... V>
[[nodiscard]] SLUICE_INLINE std::size_t record_bytes(const V&... value) noexcept {
  constexpr std::size_t kFixed = 16 + 8 * sizeof...(V);
  if constexpr (kTails<V...> != 0) {
    if (((tail_bytes(value) > kTailBytesMax) || ...)) [[unlikely]]
      return kTailBytesMax;
    return (kFixed + (tail_bytes(value) + ...) + 7) & ~std::size_t{7};
  } else {
    return kFixed;
  }
}

template <class... V>
SLUICE_INLINE void put_record(char* to, std::size_t bytes, std::uint32_t id, std::uint64_t now,
                              V... value) noexcept {
  if constexpr (kTails<V...> != 0) {
    constexpr bool kOnly = kTails<V...> == 1;
    if constexpr (!kOnly) std::memset(to + bytes - 8, 0, 8);
    char* tail = to + 16 + 8 * sizeof...(V);
    ((tail = put_tail<kOnly>(tail, value)), ...);
  }
  store_two(to, bytes / 8 | std::uint64_t{id} << 32, now);
  put_words(to + 16, word_of(value)...);
}

// Everything that is not the plain case, once for each list of types: registration, first use of a
// thread, wrap, full ring, a call inside a call, immediate mode.
template <class... V>
SLUICE_COLD Admission write_cold(CallSite& site, const SiteText& text, std::uint64_t at,
                                 V... value) noexcept {
  static constexpr ArgType kTypes[] = {V::type..., ArgType::kU64};
  const std::string_view names[] = {name_of_value(value)..., {}};
  const SiteShape shape{&text, kTypes, names, sizeof...(V)};
  Admission result = Admission::kOk;
  ColdCall cold;
  if (!cold.begin(site, shape, result)) return result;
  std::uint64_t position = cold.position;
  const std::size_t bytes = record_bytes(value...);
  if (make_room(site, position, bytes, result)) {
    // relaxed: it came with the control byte (P7)
    put_record(t_block.ring.at(position), bytes, site.id.load(std::memory_order_relaxed),
               at ? at : ticks_now(), value...);
    position += bytes;
  }
  cold.end(position);
  return result;
}

inline constexpr std::size_t kPrefetchAhead = 512;

// `at`: ticks the caller has read, or 0 to read the clock here.
template <class... V>
SLUICE_INLINE Admission write(CallSite& site, const SiteText& text, std::uint64_t at,
                              V... value) noexcept {
  RingProducer<RealSync>& ring = t_block.ring;
  std::uint64_t position;
  if (ring.try_enter(position)) [[likely]] {
    // The handler of a signal that arrives from here on sees kInCall.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Asked (again) inside the call, so that stop() knows when nothing can be published any more.
    if (site.control_value() == kOn) [[likely]] {
      const std::uint64_t now = at ? at : ticks();
      const std::size_t bytes = record_bytes(value...);
      if (ring.fits(position, bytes)) [[likely]] {
        char* const to = ring.at(position);
        put_record(to, bytes, site.id.load(std::memory_order_relaxed), now, value...);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        // The line that the record after the next dozen needs: 0.9 ns a call in bursts.
        __builtin_prefetch(to + kPrefetchAhead, 1, 3);
        ring.leave(position + bytes);
        return Admission::kOk;
      }
    }
    ring.leave(position);
  }
  return write_cold(site, text, at, value...);
}

template <class... A>
SLUICE_INLINE Admission call(CallSite& site, const SiteText& text, std::uint64_t at,
                             const A&... arg) noexcept {
  return write(site, text, at, Holder<A>{arg}.encode()...);
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_CALL_H_
