// What a renderer, a filter and a store are given: one record with all that is known about it.
//
// Everything is borrowed for the length of the call. Times are UTC.
#ifndef SLUICE_SRC_RECORD_ENTRY_H_
#define SLUICE_SRC_RECORD_ENTRY_H_

#include <string>
#include <string_view>

#include "record/decode.h"

namespace sluice {

// The run a record belongs to; what is not known is empty or 0.
struct RunInfo {
  std::string product;
  std::string version;
  std::string run_id;
  std::string host;
  u32 pid = 0;
};

struct ThreadName {
  u32 tid = 0;
  std::string_view name;
};

// One clock definition (kSiteClock): wall time of a tick count.
struct TickClock {
  u64 ticks = 0;
  i64 wall_ns = 0;
  u64 ns_per_tick_q32 = 0;  // ns per tick * 2^32

  [[nodiscard]] i64 wall_of(u64 at) const {
    __extension__ using i128 = __int128;
    const i128 passed = i128(i64(at - ticks)) * i128(ns_per_tick_q32);
    return i64(i128(wall_ns) + (passed >> 32));
  }
};

struct Entry {
  const RecordView& record;
  const Site& site;
  u64 sequence = 0;
  i64 wall_ns = 0;  // since the Unix epoch
  ThreadName thread = {};
  // Dotted name, "" = root. For a site without kLoggerIsFirstArg it is site.logger.
  std::string_view logger = {};
  const RunInfo* run = nullptr;
  // For messages of the engine's own about other sites and times; both may be missing.
  const Dictionary* sites = nullptr;
  const TickClock* clock = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_ENTRY_H_
