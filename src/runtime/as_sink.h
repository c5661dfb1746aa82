// A caller that runs sinks itself: what they log meanwhile is a sink's.
#ifndef SLUICE_SRC_RUNTIME_AS_SINK_H_
#define SLUICE_SRC_RUNTIME_AS_SINK_H_

#include <atomic>

#include "sluice/detail/thread_block.h"

namespace sluice::runtime {

// Made before `Runtime::immediate_` is locked: a signal handler on this thread must not wait for
// it.
class AsSink {
 public:
  AsSink() : before_(detail::t_block.in_sink) {
    detail::t_block.in_sink = 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ~AsSink() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    detail::t_block.in_sink = before_;
  }
  AsSink(const AsSink&) = delete;
  AsSink& operator=(const AsSink&) = delete;

 private:
  const u8 before_;
};

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_AS_SINK_H_
