// What calls cost, measured now and then (Options::measure_calls).
//
// The call itself knows nothing of it. The ring's limit, behind which a call takes the cold path,
// is set some 1,024 records ahead; the call that meets it there finds room at once, and from there
// on does what each call does: encodes its arguments into the ring and publishes them. That is
// timed, with one reading of the clock, and observed in the timer "sluice.call.duration". Calls
// that take the cold path for another reason are not.
//
// Threading: each thread for itself, and the handlers on it: one in between may cost a measurement.
#ifndef SLUICE_SRC_FRONT_CALL_COST_H_
#define SLUICE_SRC_FRONT_CALL_COST_H_

#include "base/bytes.h"
#include "sluice/detail/thread_block.h"

namespace sluice::front {

class CallCost {
 public:
  // Before room is made for a record.
  void look(const detail::ThreadBlock& block);
  // There is room at `position` for the record of so many bytes, which will now be written.
  void begin(detail::ThreadBlock& block, u64 position, u64 bytes);
  // It is published.
  void end();
  // The cold path has been left: what was measured may be counted.
  void count();

 private:
  u64 next_ = 0;       // the position from which on a call is to be measured
  u64 due_limit_ = 0;  // the ring's limit, where it was set for this; 0: it was not
  bool due_ = false;
  u64 began_ = 0;  // ticks; 0: not measured
  u64 took_ = 0;
};

extern constinit thread_local CallCost t_call_cost;

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_CALL_COST_H_
