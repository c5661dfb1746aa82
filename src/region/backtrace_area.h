// What a region holds for backtraces (AreaKind::kBacktrace): the last records of loggers that are
// delivered only when one of them says an error, or when the process dies.
//
// A queue of bytes, of which the oldest go when there is no room. A record is here instead of in
// the journal: the batch that takes it out of its ring, or that delivers it, is committed behind
// what is written here and names its own end, so that a kill in between changes nothing.
//
// | word                   | written by | read by       | order                                   |
// |------------------------|------------|---------------|-----------------------------------------|
// | BacktraceState         | consumer   | its successor | in force by a committed batch           |
// | HeldRecord::done       | consumer   | its successor | the same                                |
// | BacktraceArea::floor   | consumer   | its successor | before what was there is written over   |
#ifndef SLUICE_SRC_REGION_BACKTRACE_AREA_H_
#define SLUICE_SRC_REGION_BACKTRACE_AREA_H_

#include "base/bytes.h"

namespace sluice::region {

// Two of them, written in turn: of those whose batch is committed, the later one holds.
struct BacktraceState {
  u64 batch_end;  // journal position behind the batch; 0: none
  u64 end;        // position behind the newest record, never masked
  u64 held;       // records that were ever taken in here
  u64 delivered;  // of those
};

// Its record follows. A record lies in one piece: what is left at the area's end is padding, which
// has no header where there is no room for one.
struct HeldRecord {
  u64 done;   // journal position behind the batch that delivered it; 0: it is held
  u32 bytes;  // with this header, a multiple of 8
  u16 group;  // the place in kLoggers of whose backtrace it is, and 1; 0: padding
  u16 slot;   // of its thread
  u32 generation;
  u32 zero;
};
static_assert(sizeof(HeldRecord) == 24);

inline constexpr u32 kBacktraceBytes = 256 * 1024;  // a power of two
inline constexpr u32 kHeldRecordBytesMax = 16 * 1024;
inline constexpr u32 kBacktraceRecordsMax = 4096;  // of one logger

struct BacktraceArea {
  BacktraceState state[2];
  u64 floor;  // position of the oldest record that is still whole
  u8 zero[4096 - 2 * sizeof(BacktraceState) - sizeof(u64)];
  char bytes[kBacktraceBytes];
};
static_assert(sizeof(BacktraceArea) == 4096 + kBacktraceBytes);

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_BACKTRACE_AREA_H_
