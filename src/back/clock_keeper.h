// Keeps the relation of clock ticks to wall time.
//
// The rate is measured over a baseline that grows from the first reading, so it gets better with
// time; every second the wall clock is read anew. A wall clock that is more than kStepNs from where
// the rate predicts it has been stepped (or the machine was suspended): a new epoch starts and the
// baseline with it. Smaller differences are taken up without time going back (go_on()). Records are
// ordered by ticks; wall time is a label.
//
// Threading: single-owner (the consumer). The clock page it writes may be read by anybody.
#ifndef SLUICE_SRC_BACK_CLOCK_KEEPER_H_
#define SLUICE_SRC_BACK_CLOCK_KEEPER_H_

#include "record/entry.h"
#include "region/layout.h"

namespace sluice::back {

// How far back the records may lie that are still to come when a relation changes.
inline constexpr i64 kClockReachNs = 10'000'000;

// The relation after `old`, given what was measured. For every tick from kClockReachNs before
// measured.ticks up to it, it tells no earlier time than `old`: records told by `old` are all of
// before, so no thread's time goes back. Where `old` was ahead of the wall clock it is slower, by
// at most a thousandth, so as to meet it `interval_ns` later.
[[nodiscard]] TickClock go_on(const TickClock& old, const TickClock& measured, i64 interval_ns);

class ClockKeeper {
 public:
  // `slow`: ticks are CLOCK_MONOTONIC nanoseconds, see front's clock_is_slow.
  void start(region::ClockPage& page, bool slow);
  // Takes the relation as a dead process left it in its page; where it left none, or half of one,
  // the relation of now: ticks and wall clock go on across processes.
  void adopt(const region::ClockPage& page, bool slow);

  // Reads the clocks again when a second has passed. Cheap otherwise: one tick reading.
  void update();

  [[nodiscard]] u64 now() const;
  [[nodiscard]] const TickClock& clock() const { return clock_; }
  [[nodiscard]] u16 epoch() const { return epoch_; }
  [[nodiscard]] u64 ticks_of_ns(i64 ns) const;

 private:
  struct Reading {
    u64 ticks;
    i64 wall_ns;
    i64 monotonic_ns;
  };
  [[nodiscard]] Reading read() const;
  void measure();
  // Nanoseconds a tick * 2^32 since base_; the last rate when there is no baseline yet.
  [[nodiscard]] u64 rate_at(const Reading& reading) const;
  // How long the relation that is published at `reading` is to hold.
  [[nodiscard]] i64 interval_ns(const Reading& reading) const;
  void publish(const Reading& reading);

  region::ClockPage* page_ = nullptr;
  bool slow_ = false;
  bool live_ = false;
  u16 epoch_ = 0;
  Reading base_{};
  u64 next_update_ = 0;
  TickClock clock_;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_CLOCK_KEEPER_H_
