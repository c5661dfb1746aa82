// Sluice: what a program says, off its hot path, kept through crashes.
//
//     #include <sluice/sluice.h>
//     int main() {
//       sluice::start({.product = "shop", .sinks = {sluice::text_file("shop.log")}});
//       SLUICE_INFO("order {id} at {px}", 17, 99.5);
//     }
//
// There is one Sluice in a process. start() is optional: without it records are kept and written to
// the console when the program ends. stop() runs by itself at exit.
#ifndef SLUICE_SLUICE_H_
#define SLUICE_SLUICE_H_

#include "sluice/log.h"
#include "sluice/options.h"

namespace sluice {
inline namespace v1 {

// Starts delivery. Thread-safe; may block for some milliseconds. `SLUICE_*` variables override the
// options (docs/configuration.md). False: nothing was started, and every mistake is in
// last_error(), each with what, where and how to mend; also printed to stderr unless quiet.
// Again after stop(): goes on in the same region with the new options.
SLUICE_API bool start(const Options& options = {}) noexcept;

// Like start(), but on a mistake in the options ends the program with exit code 2.
SLUICE_API void start_or_exit(const Options& options = {}) noexcept;

// Delivers what was published, at most for the deadline (ms; 0: Options::stop_deadline_ms), ends
// the library's threads. True when nothing is left behind; otherwise last_error() says what is left
// in the region, where the next start of this product finds it. Later calls count as dropped
// (stopped). Not for signal handlers.
SLUICE_API bool stop(std::uint32_t deadline_ms = 0) noexcept;

// The last error of start(), stop() or flush() in this thread; empty when there was none.
[[nodiscard]] SLUICE_API std::string_view last_error() noexcept;

// How far a record has got.
enum class Reach : std::uint8_t {
  queued,   // in private memory
  shared,   // in the region: survives the death of the process
  written,  // given to the kernel: survives it without a recovery
  durable,  // on the disk: survives loss of power
  stored,   // committed in the stores, where queries find it; other sinks: written
};

struct FlushResult {
  bool complete = false;     // every sink has got that far with all this process had published
  std::uint32_t sinks = 0;   // sinks asked
  std::uint32_t behind = 0;  // sinks that had not got there in time
};

// Waits until every sink has passed what this process had published when flush() was called, at
// most timeout_ms. A sink without that reach counts at its highest. From a sink's own thread it
// returns at once for that sink. Not complete: last_error() says why. Thread-safe; blocks; not for
// signal handlers.
SLUICE_API FlushResult flush(Reach reach = Reach::written,
                             std::uint32_t timeout_ms = 5000) noexcept;

// Gives this thread its ring now, so that its first record costs no more than the others.
SLUICE_API Admission prepare_thread() noexcept;

// Threshold of a logger and all below it; "" is the root. Thread-safe; takes effect at once.
SLUICE_API void set_level(std::string_view logger, Level level) noexcept;

// A backtrace of a logger and all below it ("" is the root): what they say below their level, from
// `from` on, is not delivered but held in the region, the last `records` (at most 4096, and 256 KiB
// of all loggers together) of it, until one of them says an error or worse. Then it is delivered in
// front of that, marked as a backtrace. So it is when the process dies without stop(). Such a call
// costs what one that passes costs. Records of more than 16 KiB are not held. The nearest logger
// above that has a backtrace decides; 0 takes back what was set for just this name, and what is
// held by it. False: no room for another logger's name, or no region. Thread-safe; takes effect at
// once.
SLUICE_API bool set_backtrace(std::string_view logger, std::uint32_t records,
                              Level from = Level::trace) noexcept;

// Threshold of the call sites at a place of the source, instead of their logger's: "http.cc:120",
// or "http.cc" for all of a file, by as many last components of its path as are needed; those that
// make their first call later too. FILE:LINE goes before FILE, a longer path before a shorter one.
// Returns how many sites the place names now; 0 for one more than 1024 places, which gets no level.
// Calls through a sluice::Logger object ask that logger's level first: here they can be silenced,
// not let through. Compiled-out calls (SLUICE_ACTIVE_LEVEL) stay out. Thread-safe; takes effect at
// once; may wait for another change of levels (microseconds); not for signal handlers.
SLUICE_API std::uint32_t set_site_level(std::string_view place, Level level) noexcept;
// Takes back what was set for just this place; their logger's level, or another place's, holds.
// Returns and threading as above.
SLUICE_API std::uint32_t reset_site_level(std::string_view place) noexcept;

// A limit of the logs and events at a place of the source, as above, or of all ("*"; not of calls
// whose text is known at run time only, which have no place): each call site may pass so many times
// in a second (0: as often as it likes), or one time in `one_in` by chance (up to 1: each time).
// What is kept out counts as filtered and has its arguments evaluated; a notice of the logger
// "sluice" with the fields `suppressed` and `place` says how many those were, at most once a second
// a site, before its next call. A site has one of the two, by the place that names it best. Asking
// costs its calls some 35 to 80 ns, and all others nothing. Returns and threading as above; 0 also
// when there is no memory (2 MiB, of which what is used is touched).
SLUICE_API std::uint32_t set_site_rate(std::string_view place, std::uint32_t per_second) noexcept;
SLUICE_API std::uint32_t set_site_sample(std::string_view place, std::uint32_t one_in) noexcept;

struct SinkStats {
  std::uint64_t delivered = 0;        // caller records written
  std::uint64_t filtered = 0;         // kept out by the sink's own filters
  std::uint64_t dropped_backlog = 0;  // missed by a best-effort sink
  std::uint64_t dropped_error = 0;    // refused by the destination for good
  std::uint64_t queued = 0;           // committed, not yet passed by this sink
};

// attempted == filtered + merged + held + dropped() + queued, exactly once the callers are quiet,
// samples of metric cells (sluice/metric.h) counted as if a caller had said them; and for each
// sink, its delivered + filtered + dropped_* + queued are the records merged since its start.
struct Stats {
  std::uint64_t attempted = 0;
  std::uint64_t filtered = 0;  // kept out by levels
  std::uint64_t merged = 0;    // caller records in the journal
  std::uint64_t held = 0;      // kept for backtraces and not delivered, or not yet
  std::uint64_t queued = 0;    // published in rings, not yet merged
  std::uint64_t dropped_ring_full = 0;
  std::uint64_t dropped_too_big = 0;
  std::uint64_t dropped_no_memory = 0;
  std::uint64_t dropped_stopped = 0;
  std::uint64_t damaged = 0;  // records that made no sense in the ring; 0 unless memory was hit
  std::uint64_t late = 0;     // delivered out of time order
  std::uint64_t context_refused = 0;  // context fields that did not fit
  std::uint64_t site_overflow = 0;    // call sites that found no room in the dictionary
  std::uint64_t series_refused = 0;   // handles of metrics that found no room
  std::uint64_t adds_lost = 0;        // to metrics, for want of memory: adds, sets, observations
  std::uint64_t region_bytes = 0;     // shared memory in use
  bool shared = false;                // records survive the death of the process
  std::uint32_t sinks = 0;
  SinkStats sink[8];

  [[nodiscard]] std::uint64_t dropped() const noexcept {
    return dropped_ring_full + dropped_too_big + dropped_no_memory + dropped_stopped;
  }
};
// May wait for the merge in progress (microseconds).
[[nodiscard]] SLUICE_API Stats stats() noexcept;

// The effective configuration as text, one `name = value` a line. The view lives until the next
// call in this thread.
[[nodiscard]] SLUICE_API std::string_view configuration() noexcept;

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_SLUICE_H_
