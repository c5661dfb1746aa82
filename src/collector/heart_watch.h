// Whether a program keeps the promises of its heartbeats (sluice/heartbeat.h).
//
// Time is this process's own, from the look at which a beat was first not seen: while the collector
// does not look, nothing hangs.
//
// Threading: single-owner. Trust: every word is hostile; it can only accuse its own program.
#ifndef SLUICE_SRC_COLLECTOR_HEART_WATCH_H_
#define SLUICE_SRC_COLLECTOR_HEART_WATCH_H_

#include <array>
#include <string>

#include "region/layout.h"

namespace sluice::collector {

class HeartWatch {
 public:
  // `entries`: kHeartbeatsMax, a copy that stands still. What hangs now, for a sentence:
  // "main loop has not beaten for 2000 ms"; the same text as long as it does. Empty: nothing.
  [[nodiscard]] std::string look(const region::HeartbeatEntry* entries, i64 now_ns);
  // Something was promised at the last look.
  [[nodiscard]] bool has_promises() const { return has_promises_; }

 private:
  struct Seen {
    u64 token = 0;
    u64 beats = 0;
    i64 since_ns = 0;
  };
  std::array<Seen, region::kHeartbeatsMax> seen_;
  bool has_promises_ = false;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_HEART_WATCH_H_
