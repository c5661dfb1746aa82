// Asks for cache lines that will be written soon, before they are.
//
// A locked instruction waits until every store before it has its cache line. Where memory goes from
// hand to hand the lines are with another processor, and that wait is what an append costs. The
// request is for ownership (PREFETCHW; nothing on processors that have it not): a plain prefetch
// only gets a copy, and the store waits all the same. Never faults, whatever the address.
#ifndef SLUICE_SRC_BASE_FETCH_AHEAD_H_
#define SLUICE_SRC_BASE_FETCH_AHEAD_H_

#include <algorithm>

#include "base/bytes.h"

namespace sluice {

// How far ahead: some records of a few hundred bytes.
inline constexpr std::uintptr_t kFetchAheadBytes = 2048;

// To be called for each piece that is written, one behind the other: asks for the lines that are so
// far ahead of this one, each once.
inline void fetch_ahead(const void* piece, std::size_t bytes) {
  constexpr std::uintptr_t kLine = 64;
  std::uintptr_t at = reinterpret_cast<std::uintptr_t>(piece) + kFetchAheadBytes;
  const std::uintptr_t end = at + std::min<std::uintptr_t>(bytes, kFetchAheadBytes);
  for (at = (at + kLine - 1) & ~(kLine - 1); at < end; at += kLine) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*reinterpret_cast<const char*>(at)));
#else
    __builtin_prefetch(reinterpret_cast<const void*>(at), 1);
#endif
  }
}

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_FETCH_AHEAD_H_
