// The records that make a segment readable by anyone: run, thread, clock and site definitions.
//
// Each is an ordinary record of a built-in site (record/format.h): words, then the tail with the
// texts in argument order. Definitions have no ticks and no sequence.
// Threading: values and plain functions. Failure: decode_*() takes the bytes of one record of
// checked size, otherwise untrusted, and gives nullopt for anything encode_*() could not have
// written. Texts longer than their limit are cut when encoding.
#ifndef SLUICE_SRC_SEGMENT_DEFINITIONS_H_
#define SLUICE_SRC_SEGMENT_DEFINITIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "record/site.h"
#include "segment/frame.h"

namespace sluice {

// The execution of a program that a segment's records come from.
struct RunDefinition {
  RegionId region_id{};
  std::string product;
  std::string version;
  std::string run_id;
  std::string host;
  u64 pid = 0;
  i64 start_wall_ns = 0;  // since the Unix epoch
};

// Who is behind a record's thread slot. A slot goes from thread to thread; the generation tells
// them apart.
struct ThreadDefinition {
  u16 slot = 0;
  u32 generation = 0;
  u64 tid = 0;
  std::string name;
};

// How a record's ticks become wall time, until the next definition.
struct ClockDefinition {
  u64 ticks = 0;             // at this reading of the clock ...
  i64 wall_ns = 0;           // ... wall time was this, since the Unix epoch
  u64 ns_per_tick_2_32 = 0;  // nanoseconds a tick, times 2^32
  u64 epoch = 0;             // steps when the clock jumped: differences across epochs mean nothing

  // Wall time of `at`, before or after `ticks`; exact arithmetic, held to the range of i64.
  [[nodiscard]] i64 wall_ns_at(u64 at) const;
};

inline constexpr u32 kRunTextBytesMax = 1024;
inline constexpr u32 kThreadNameBytesMax = 256;

[[nodiscard]] std::vector<std::byte> encode_definition(const RunDefinition& run);
[[nodiscard]] std::vector<std::byte> encode_definition(const ThreadDefinition& thread);
[[nodiscard]] std::vector<std::byte> encode_definition(const ClockDefinition& clock);
[[nodiscard]] std::vector<std::byte> encode_definition(const Site& site);

[[nodiscard]] std::optional<RunDefinition> decode_run(ByteView record);
[[nodiscard]] std::optional<ThreadDefinition> decode_thread(ByteView record);
[[nodiscard]] std::optional<ClockDefinition> decode_clock(ByteView record);
[[nodiscard]] std::optional<Site> decode_site_record(ByteView record);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_DEFINITIONS_H_
