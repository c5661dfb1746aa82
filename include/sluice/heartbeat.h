// A heartbeat: the promise that something goes on, which a collector watches.
//
//     sluice::Heartbeat frames("main loop", 2000);
//     while (playing) {
//       frames.beat();
//       ...
//     }
//
// When no beat came for longer than promised, the collector that drains this program
// (Options::collector) stores that its run hangs, with what its threads were waiting for; at the
// next beat, that it goes on. Without a collector a heartbeat costs its beats and nothing comes of
// it.
#ifndef SLUICE_HEARTBEAT_H_
#define SLUICE_HEARTBEAT_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sluice/detail/api.h"

namespace sluice {
inline namespace v1 {

class Heartbeat {
 public:
  // `name`: for people, up to 35 bytes of it. `within_ms`: the longest time between two beats; what
  // is shorter than 100 ms is watched as if it were 100. The first is due that long after this.
  // Thread-safe; may block for a moment when nothing has been logged yet.
  SLUICE_API Heartbeat(std::string_view name, std::uint32_t within_ms) noexcept;
  // Nothing is due any more.
  SLUICE_API ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // By one thread at a time. About a nanosecond; never waits; may be called in a signal handler. In
  // a forked child nothing comes of it: the promise is its parent's, who alone can keep it.
  void beat() noexcept {
    // relaxed, both: a count that the collector compares with itself
    beats_->store(beats_->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Nothing is due until the next beat: a pause that is meant. As beat().
  SLUICE_API void pause() noexcept;
  // False: all 16 places of this process are taken (by inherited ones, too), or it has no shared
  // memory, or it is a forked child of the process that made it: nobody can see it.
  [[nodiscard]] SLUICE_API bool is_seen() const noexcept;

 private:
  std::atomic<std::uint64_t>* beats_;
  std::atomic<std::uint64_t> unseen_{0};
  std::uint64_t token_ = 0;
  std::uint32_t place_ = 0;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_HEARTBEAT_H_
