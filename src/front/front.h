// What runs in the caller's threads, and the process-wide state behind it.
//
// One Front a process, constant-initialised and never destroyed. The hot path does not touch it;
// the cold path (registration, rings, drops) does, takes no lock, allocates no heap memory and may
// run in a signal handler. start(), stop() and levels go through the runtime, which calls down
// here; what the front needs of the runtime it asks for through RuntimeHooks.
//
// | word            | written by                | read by        | order                         |
// |-----------------|---------------------------|----------------|-------------------------------|
// | phase           | creator, start, stop      | cold paths     | P13, P9, see front/phase.h    |
// | next_site_id    | cold paths                | cold paths     | relaxed: only unique          |
// | no_room_until_ns| cold paths                | cold paths     | relaxed: a hint               |
// | site_rules      | set_site_level(), _limit()| registration   | release/acquire (P18)         |
// | lost_*          | cold paths without memory | stats          | relaxed: counters             |
#ifndef SLUICE_SRC_FRONT_FRONT_H_
#define SLUICE_SRC_FRONT_FRONT_H_

#include <optional>
#include <string>

#include "front/phase.h"
#include "front/place_limit.h"
#include "region/region.h"
#include "sluice/detail/call_site.h"
#include "sluice/logger.h"

namespace sluice::front {

using detail::CallSite;
using detail::SiteShape;
using detail::ThreadBlock;

// What the front asks of the runtime, which defines the one instance. Functions, not a class: they
// must be callable in a forked child, where no object of the parent may be used.
struct RuntimeHooks {
  void (*run_now)();         // immediate mode: merge and run the sinks
  void (*start_in_child)();  // first record of a forked child: start as the parent had started
  void (*forked)();          // in the child, from the atfork handler: forget locks and threads
  void (*at_exit)();         // the process ends
};
extern const RuntimeHooks kRuntimeHooks;

// Of the region that is to be made.
struct RegionWanted {
  region::RegionOptions region;
  Level level = Level::info;
};

struct FrontOptions {
  RegionWanted first;  // written and read by the region's creator
  // relaxed: set by start() beside calls that go on; each is taken as it is found
  std::atomic<bool> immediate{false};
  std::atomic<bool> block_when_full{false};
  std::atomic<i64> block_deadline_ns{0};
  std::atomic<bool> measure_calls{false};
  std::atomic<u64> ring_bytes{0};  // of the next rings; 0: as the region says
};

// A level and a limit set for call sites by their place. Never freed: a call that registers may be
// reading it.
struct SiteRule {
  const std::string file;     // the last components of a path
  const u32 line;             // 0: all of the file
  SiteRule* const next;       // set before
  std::atomic<u8> level{0};   // 0: reset
  std::atomic<u64> limit{0};  // PlaceLimit::word()
};

struct Front {
  region::Region region;
  void* reservation = nullptr;
  FrontOptions options;
  PhaseWords<RealSync> phase;
  std::atomic<u32> creator{0};
  std::atomic<u32> next_site_id{kSiteFirstCaller};
  std::atomic<bool> clock_is_slow{false};  // no usable TSC: every call asks the kernel's clock
  std::atomic<i64> no_room_until_ns{0};    // monotonic: a ring could not be made
  std::atomic<u64> lost_without_region{0};
  std::atomic<u64> lost_after_stop{0};
  std::atomic<u64> lost_adds{0};  // of metrics, without memory for cells
  std::atomic<SiteRule*> site_rules{nullptr};
  // relaxed: the child's first thread sets it; start() in the child takes it back.
  std::atomic<bool> started_in_parent{false};

  // Whether the calling thread is making the region (it is then in a handler).
  [[nodiscard]] static bool creating_here();
};

extern constinit Front g_front;

// Held while a call may open control bytes: from its look at the phase to the last byte it stores.
// Either the call sees a stop, or quiesce() sees the call and closes the bytes behind it (P9). Else
// a call could be admitted that nobody delivers any more.
class Registering {
 public:
  Registering() : stopped_(!g_front.phase.count_in()) {}
  ~Registering() { g_front.phase.count_out(); }
  Registering(const Registering&) = delete;
  Registering& operator=(const Registering&) = delete;
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  const bool stopped_;
};

// Makes the region if there is none. False: not now (another thread is making it and this is a
// signal handler, or there is no memory at all). `wanted`: what it is to be if it is made here.
bool ensure_region(const RegionWanted* wanted = nullptr);

// registry.cc
// Registers a site: its definition, its control byte. Never fails: without room the site becomes
// kSiteUnknown.
void publish_site(CallSite& site, const SiteShape& shape);
// The name that the format text gives to positional argument `wanted`; empty for {} and {0}.
[[nodiscard]] std::string_view name_from_format(const SiteShape& shape, u32 hidden, u32 wanted);
// Index of a logger in the region, made if need be; 0, the root, when the table is full.
u32 find_logger(std::string_view name);
// Sets the threshold of a logger and everything below it; 0: takes it back (not the root's). False:
// there is no room for another name. One caller at a time (the runtime).
bool set_level(std::string_view logger, Level level);
// Holds the last `records` (0: none) of a logger and everything below it that are below its level,
// from `from` on. Results and threading as set_level().
bool set_backtrace(std::string_view logger, u32 records, Level from);
// site_rules.cc
// The level set for a published site by its place; 0: none. Allocates nothing.
[[nodiscard]] u8 site_rule(const region::Region& region, u32 id);
// Sets the threshold of call sites by "FILE:LINE" or "FILE" (0: takes it back), also of those that
// register later. Returns how many sites it names now; none: kSiteRulesMax places have been named.
// One caller at a time (the runtime); allocates.
std::optional<u32> set_site_level(std::string_view place, u8 level);
// The limit of a published site by its place, as PlaceLimit::word(); only logs and events have one.
[[nodiscard]] u64 site_limit(const region::Region& region, u32 id);
// Sets the limit of each call site at a place, or of all that have one ("*"); the rest as above.
// None: also when there is no memory.
std::optional<u32> set_site_limit(std::string_view place, PlaceLimit limit);
// Says how many calls of a site were kept out, when it is time. Not inside a call.
void tell_kept_out(const CallSite& site);
inline constexpr u32 kSiteRulesMax = 1024;

// registry.cc
// Sets every control byte anew that is not closed: after a change of levels or of the mode.
void refresh_controls();
// stop(): no call publishes any more once quiesce() has waited too. Another start() opens again.
void close_controls();
void open_controls();

// thread.cc
bool attach_thread(ThreadBlock& block, u64 ring_bytes);
// Gives the slot back; the consumer frees it once it is empty. The block's thread calls it.
void detach_thread(ThreadBlock& block);
// Counts a record that is not kept.
void count_drop(u32 site, DropReason reason);
// After the phase is kStopped: closes every control byte and waits until no thread is inside a call
// that found one open, at most until `deadline_ns` (monotonic). P9: the barrier orders the closed
// control bytes before every later call's look at them, and every earlier kInCall before our look
// at that.
bool quiesce(i64 deadline_ns);
// In a forked child: the calls of this thread that a handler, which forked, had interrupted. They
// go on without a ring; what is left of theirs must still say that they are under way.
class OrphanedCalls {
 public:
  // Before the region is abandoned.
  explicit OrphanedCalls(ThreadBlock& block);
  // Afterwards. True when there are any.
  bool put_back();

 private:
  static constexpr u32 kMax = 5;
  ThreadBlock& block_;
  bool any_ = false;
  u32 count_ = 0;
  struct Call {
    std::atomic<u64>* word;
    u64 value;
  } calls_[kMax] = {};
};
// Gives the backend's spare rings: makes slots until `count` are ready.
void keep_ready(u32 count);

// context.cc
// Writes the thread's marks (context, state gap) into the ring, inside a call at `position`, which
// moves; true when none is pending any more.
bool write_pending(ThreadBlock& block, u64& position);

// fork.cc
void install_process_handlers();

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_FRONT_H_
