// The thread-local block of a logging thread and the process-wide state a call looks at.
#ifndef SLUICE_DETAIL_THREAD_BLOCK_H_
#define SLUICE_DETAIL_THREAD_BLOCK_H_

#include <atomic>
#include <cstdint>

#include "sluice/detail/api.h"
#include "sluice/detail/ring.h"

namespace sluice {
inline namespace v1 {
namespace detail {

// One cache line. Touched only by its own thread and by signal handlers that run on it.
struct alignas(64) ThreadBlock {
  RingProducer<RealSync> ring;
  // This thread's count of filtered calls, in the region; null before the first kept record.
  std::atomic<std::uint64_t>* filtered;
  // 1 while the thread is in the cold path of a call, where it may have no ring to say so in.
  // relaxed everywhere: only signal handlers of this thread look, and program order is enough.
  std::atomic<std::uint8_t> in_cold;
  std::uint8_t attached;  // `ring` is this thread's; else it is none, or one from before a fork
  std::uint8_t pending;   // Pending bits: what must precede the next record
  std::uint8_t in_sink;   // this thread belongs to a sink
  std::uint32_t slot;     // thread slot in the region
};
static_assert(sizeof(ThreadBlock) == 64);

// initial-exec: one instruction to reach it, also from a shared library loaded at start.
extern SLUICE_API constinit thread_local ThreadBlock t_block
    __attribute__((tls_model("initial-exec")));

// Marks that found no room in the ring; make_room() writes them before the next record.
enum Pending : std::uint8_t { kPendingContext = 1, kPendingStateGap = 2 };

// Values of a control byte. 0 sends the call to the cold path, which knows why: the site is not
// registered, the process has just forked. kClosed does too: logging is stopped, and only another
// start() opens the byte again. And kLimited: whether a call passes is asked there.
enum Control : std::uint8_t {
  kCold = 0,
  kOn = 1,
  kOff = 2,
  kOnThenRun = 3,
  kClosed = 4,
  kLimited = 5,
};

// The byte that every call site points to before it is registered; always kCold.
extern SLUICE_API constinit std::atomic<std::uint8_t> g_cold;

}  // namespace detail

// What became of a record, for the caller that wants to know. kOk: published (or handed over in
// immediate mode). The others are counted by reason.
enum class Admission : std::uint8_t {
  kOk = 0,
  kFiltered,
  kDroppedFull,
  kDroppedTooBig,
  kDroppedNoMemory,
  kStopped,
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_THREAD_BLOCK_H_
