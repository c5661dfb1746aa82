// The region: one file on tmpfs, mapped shared, that holds everything a process has published and
// not yet delivered. This header is its ABI; docs/formats/region.md is the specification.
//
//   0        RegionHeader      magic, version, region id, labels, table of areas
//   4096     areas at 4 KiB steps, in the order of AreaKind, each listed in the table; a reader
//            skips kinds that it does not know
//   ...      chunks: allocated behind the areas while the process runs (rings, intents)
//
// Who trusts whom: the owner writes its own region and trusts it as its own memory. Everybody else
// (recovery, tools) treats every byte as hostile: offsets and lengths are checked against the file.
//
// | word                      | written by              | read by    | order                    |
// |---------------------------|-------------------------|------------|--------------------------|
// | RingLines::head           | thread of the slot      | consumer   | P1 release/acquire       |
// | RingLines::tail           | consumer                | thread     | P2 release/acquire       |
// | JournalLines::committed   | consumer                | sinks      | P3 release/acquire       |
// | SinkEntry::cursor         | that sink               | consumer   | P4 release/acquire       |
// | journal words, reclaimed  | consumer                | sinks      | P5, see ring/journal.h   |
// | ClockPage                 | consumer                | any        | P17, see clock_page.h    |
// | SiteEntry::text           | registering thread      | readers    | P6 release/acquire       |
// | ThreadSlot::state         | thread, consumer        | both       | P8 acq_rel               |
// | control bytes, thresholds | runtime, any tool       | callers    | relaxed: a hint, no data |
// | cells                     | any thread              | stats      | relaxed: counters only   |
// | RegionHeader::grown       | any thread              | any        | relaxed RMW: only unique |
#ifndef SLUICE_SRC_REGION_LAYOUT_H_
#define SLUICE_SRC_REGION_LAYOUT_H_

#include <atomic>

#include "record/format.h"
#include "region/clock_page.h"

namespace sluice::region {

inline constexpr u64 kMagic = 0x314e4f4947455253;  // "SREGION1"
// Raised by every change of what lies in a region, the chunks of sinks (sink/intent_area.h) too. A
// region of another version is refused. 2: a place of an intent has the file's time of birth. 3:
// names of secrets, what was handed over, reported drops, heartbeats. 4: metric cells. 5: requests,
// histograms. 6: backtraces.
inline constexpr u32 kVersion = 6;

enum class AreaKind : u32 {
  kClock = 1,
  kSiteControls = 2,    // u8[sites_max]
  kLoggers = 3,         // LoggerEntry[loggers_max]
  kSites = 4,           // SiteEntry[sites_max]
  kDropCells = 5,       // u64[sites_max][kDropReasons]
  kMetricCells = 6,     // MetricArea (region/metric_area.h)
  kThreadSlots = 7,     // ThreadSlot[slots_max]
  kSinks = 8,           // SinkEntry[kSinksMax]
  kWake = 9,            // WakeLines
  kStreams = 10,        // reserved: stream counters
  kDictionary = 11,     // text of site definitions
  kJournal = 12,        // JournalLines, then the journal's bytes
  kReportedDrops = 13,  // u64[sites_max][kDropReasons]: what drop reports in the journal have said
  kHeartbeats = 14,     // HeartbeatEntry[kHeartbeatsMax]
  kRequests = 15,       // RequestArea (region/request_area.h)
  kBacktrace = 16,      // BacktraceArea (region/backtrace_area.h)
};
inline constexpr u32 kAreasMax = 24;

struct Area {
  u32 kind;
  u32 version;
  u64 offset;
  u64 length;
};

// A promise of the program (sluice/heartbeat.h), which a collector looks at. Who makes one takes
// the place by `token`, fills it, and then says `within_ms`.
struct HeartbeatEntry {
  std::atomic<u64> beats;
  std::atomic<u64> resting;    // beats + 1: nothing is due until the next one
  std::atomic<u64> token;      // 0: nobody's
  std::atomic<u32> within_ms;  // 0: nothing is due
  char name[36];
};
static_assert(sizeof(HeartbeatEntry) == 64);
inline constexpr u32 kHeartbeatsMax = 16;
inline constexpr u32 kHeartbeatLeastMs = 100;

struct alignas(64) RegionHeader {
  u64 magic;
  u32 version;
  u32 area_count;
  u8 region_id[16];
  u64 reserved_bytes;      // the file never grows beyond this
  std::atomic<u64> grown;  // bytes of the file that are allocated
  u32 sites_max;
  u32 loggers_max;
  u32 slots_max;
  u32 record_bytes_max;
  u64 ring_bytes;
  u64 journal_bytes;
  // Labels for people and for the verdict; liveness is the kernel lock, never these.
  u32 pid;
  u32 uid;
  u64 pid_namespace;
  u64 start_time;  // of the process, clock ticks since boot
  i64 start_wall_ns;
  char product[64];
  char version_text[64];
  char run_id[64];
  char host[64];
  char program[256];
  std::atomic<u32> finished;  // 1: stop() delivered everything; the file may be removed
  std::atomic<u32> goodbye;   // 1: stop() left the rest to whoever drains it (P15)
  Area areas[kAreasMax];
  // Further field names whose values are secret, separated by commas: whoever merges what is here
  // takes them out, also after the death of the owner, who writes them before anybody else may
  // look.
  char secrets[1024];
  // A sequence: what is before it the owner's own sinks have delivered, which are closed (P15).
  std::atomic<u64> handed_over;
};
static_assert(sizeof(RegionHeader) <= 4096);
static_assert(std::atomic<u64>::is_always_lock_free && std::atomic<u8>::is_always_lock_free);

struct SiteEntry {
  std::atomic<u64> text;  // offset in the dictionary << 32 | bytes; 0: not published
  // relaxed: two threads of a forked child may both write the same values
  std::atomic<u16> logger;  // index in kLoggers; its threshold decides the control byte
  std::atomic<u8> level;
  std::atomic<u8> dynamic_logger;  // 1: the caller tests the logger's threshold itself
  std::atomic<u8> ruled;           // 1: has a level of its own place; nothing of it is held
  u8 zero[3];
};
static_assert(sizeof(SiteEntry) == 16);

struct LoggerEntry {
  std::atomic<u8> threshold;    // of calls, effective; 0: not known yet
  std::atomic<u8> rule;         // level set for just this name, 0: none
  std::atomic<u16> bytes;       // of the name; published last (P16), 0: free or being written
  std::atomic<u8> level;        // effective: what is below it passes the threshold to be held
  std::atomic<u8> held_from;    // backtrace of just this name: from this level on
  std::atomic<u16> held_most;   // and so many records; 0: none
  std::atomic<u16> held_group;  // effective: the index of the logger whose backtrace it is, and 1
  u16 zero;
  char name[116];
};
static_assert(sizeof(LoggerEntry) == 128);

enum class SlotState : u32 {
  kUnused = 0,  // no ring yet
  kMaking = 1,  // a thread or the backend is giving it a ring
  kReady = 2,   // has an empty ring; a thread may take it
  kActive = 3,  // belongs to the thread `tid`
  kLeft = 4,    // its thread has gone; becomes ready once empty and committed
};

struct ThreadSlot {
  std::atomic<SlotState> state;
  std::atomic<u32> generation;  // steps each time a thread takes the slot
  std::atomic<u32> tid;
  std::atomic<u32> of_sink;  // 1: a thread of a sink
  std::atomic<u64> chunk;    // offset of the RingLines in the file
  std::atomic<u64> ring_bytes;
  std::atomic<u64> head_at_exit;  // valid in kLeft
  char name[16];
  u8 zero2[72];
};
static_assert(sizeof(ThreadSlot) == 128);

inline constexpr u32 kContextBytesMax = 1000;

// A thread's context in force after a batch. Two of them, written in turn: of those whose batch is
// committed, the later one holds.
struct ContextCopy {
  u64 batch_end;  // journal position behind the batch that brought it; 0: none
  u32 bytes;
  u32 generation;
  u8 fields[kContextBytesMax + 8];
};
static_assert(sizeof(ContextCopy) == 1024);

// In front of each ring's data, one page.
struct RingLines {
  alignas(128) std::atomic<u64> head;
  alignas(128) std::atomic<u64> tail;
  alignas(128) std::atomic<u64> filtered;  // calls of this slot's threads that a level kept out
  alignas(1024) ContextCopy context[2];
  // Far from what other processors read: what they fetch ahead takes the line from its thread.
  alignas(1024) u8 zero[512];
  std::atomic<u64> call;
};
static_assert(sizeof(RingLines) == 4096);

struct alignas(64) WakeLines {
  std::atomic<u32> consumer;  // futex: bumped to wake the consumer
  std::atomic<u32> zero;
  std::atomic<u64> drops;         // bumped with every drop
  std::atomic<u64> heartbeat_ns;  // reserved: the program's own sign of life
  std::atomic<u64> heartbeat_expected_ns;
  alignas(64) std::atomic<u32> sites_used;  // next free site id
  std::atomic<u32> dictionary_used;         // bytes
  std::atomic<u32> loggers_used;
  std::atomic<u32> level_epoch;  // stepped by every change of a level
  std::atomic<u32> slots_used;   // no slot from here on was ever in use
  std::atomic<u64> filtered;     // by threads that have no slot
  std::atomic<u64> context_refused;
  std::atomic<u64> site_overflow;  // calls of sites that found no room in the dictionary
  std::atomic<u32> backtraces;     // 1: a logger has, or had, a backtrace
};

inline constexpr u32 kSinksMax = 8;

enum class SinkState : u32 { kUnused = 0, kOpen = 1, kDone = 2 };

// What a file sink is about to write: recovery compares the file with the bytes and goes on.
struct Intent {
  u64 device;
  u64 inode;
  u64 start;   // file offset
  u64 length;  // bytes at `bytes_offset` in the region
  u64 first_sequence;
  std::atomic<u64> next_sequence;  // a mark (P10): everything above is in place. 0: no intent
};

struct alignas(64) SinkEntry {
  std::atomic<SinkState> state;      // a mark (P15): kOpen, the rest is in place
  u32 kind;                          // SinkKind of sluice/options.h
  u32 required;                      // 1: frees journal space only by its cursor
  u32 options_bytes;                 // of `options`: the sink's options as text, "key=value\n"
  std::atomic<u64> cursor;           // next sequence it wants (mirror of what is stored)
  std::atomic<u64> cursor_position;  // and where in the journal that is
  std::atomic<u64> cursor_callers;   // caller records before the cursor
  std::atomic<u64> delivered;        // caller records
  std::atomic<u64> filtered;
  std::atomic<u64> dropped_backlog;
  std::atomic<u64> dropped_error;  // rendered, but the destination refused it for good
  u64 intent_offset;               // chunk with the intent's bytes; 0: none
  u64 intent_bytes;
  Intent intent;
  char path[1024];  // absolute
  char options[2048];
};
static_assert(sizeof(SinkEntry) <= 4096);
inline constexpr u64 kSinkEntryBytes = 4096;

struct JournalLines {
  alignas(128) std::atomic<u64> committed;  // end of the last batch
  alignas(128) std::atomic<u64> reclaimed;  // nothing before this position is kept
  std::atomic<u64> reclaimed_sequence;
  alignas(128) u8 zero[4096 - 256];
};
static_assert(sizeof(JournalLines) == 4096);

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_LAYOUT_H_
