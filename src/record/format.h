// The record format: the same bytes in the ring, the journal, a segment and on the wire.
// docs/formats/record.md is the specification; this file is its C++ form.
//
//   record    u16 size_in_words   size / 8, header and padding included
//             u16 origin          low 12 bits: thread slot (0 in the ring, set by the merge);
//                                 high 4 bits: RecordFlag
//             u32 site            id of the call site that defines how to read the arguments
//             u64 ticks           clock ticks at the call (clock definition gives wall time)
//             u64 word[n]         one word an argument; a string's word is its length in bytes
//             u8  tail[]          the bytes of all strings, in argument order, without gaps
//             u8  zero[0..7]      to a multiple of 8
//             context block       only with kHasContext: see ContextBlock below
//
// Site ids 1-15 are built in (BuiltinSite): their arguments are fixed by docs/formats/record.md and
// they need no definition. Id 0 is padding: in a ring, up to the ring's end.
//
// All integers little-endian. Nothing in a record points anywhere.
#ifndef SLUICE_SRC_RECORD_FORMAT_H_
#define SLUICE_SRC_RECORD_FORMAT_H_

#include <cstddef>

#include "base/bytes.h"
#include "sluice/detail/site_format.h"

namespace sluice {

using detail::ArgType;
using detail::MetricKind;
using detail::RecordKind;
using detail::SiteFlag;

struct RecordHeader {
  u16 size_in_words;
  u16 origin;
  u32 site;
  u64 ticks;

  [[nodiscard]] u32 size() const { return u32{size_in_words} * 8; }
  [[nodiscard]] u16 slot() const { return origin & 0x0fff; }
  [[nodiscard]] bool has(u16 flag) const { return (origin & flag) != 0; }
};
static_assert(sizeof(RecordHeader) == 16);

inline constexpr u32 kRecordHeaderBytes = 16;
// A record longer than this is refused in the call (too_big); rings and journals may set less.
inline constexpr u32 kRecordBytesMax = 256 * 1024;
inline constexpr u16 kThreadSlotsMax = 4096;

// High four bits of RecordHeader::origin, set by the merge.
enum RecordFlag : u16 {
  kLate = 0x1000,        // arrived after the merge window had passed it: out of time order
  kBacktrace = 0x2000,   // a copy put before an error by the backtrace
  kHasContext = 0x4000,  // a context block follows the arguments
  kAfterGap = 0x8000,    // state: a patch before this one was lost
};

// The context block is appended by the merge while scoped context fields are in force:
//   fields (see FieldBlock in detail/site_format.h), zero padding to 8, then
//   u32 bytes of the fields without padding, u32 bytes of the whole block: the record's last word.

// Records that the engine itself writes. Their arguments, in order:
enum BuiltinSite : u32 {
  kSitePadding = 0,
  kSiteUnknown = 1,     // a call whose site found no room in the dictionary; arguments not kept
  kSiteDropReport = 2,  // site, reason, dropped in all, dropped since last report, first and last
                        // ticks of the interval
  kSiteContext = 3,     // ring only: the thread's context from here on (argument: bytes, a
                        // FieldBlock); the merge takes it out
  kSiteThread = 4,      // segments: slot, generation, tid, name (string): holds from here on
  kSiteClock = 5,       // segments: ticks, wall ns at them, ns per tick * 2^32, epoch
  kSiteDefinition = 6,  // segments: a SiteDefinition (bytes)
  kSiteRun = 7,         // segments: region id (bytes 16), product, version, run id, host (strings),
                        // pid, start wall ns
  kSiteSinkGap = 8,     // a sink missed records: sink name (string), missed in all, missed now
  kSiteVerdict = 9,     // how the run ended: exit code, signal, reason (string)
  kSiteSkipped = 10,    // segments: so many sequences from here on were left out on purpose
  kSiteStateGap = 11,   // ring only: a state patch of this thread was lost; the merge takes it out
                        // and flags the thread's next one
  kSiteFirstCaller = 16,
};

// Why a record was not kept. One counter a call site and reason (region: drop cells).
enum class DropReason : u8 { kRingFull = 0, kTooBig = 1, kNoMemory = 2, kStopped = 3 };
inline constexpr u32 kDropReasons = 4;
[[nodiscard]] std::string_view drop_reason_name(DropReason reason);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_FORMAT_H_
