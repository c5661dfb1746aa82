// How a program ended, as far as it can be known: never a guess.
//
// Threading: values and plain functions.
#ifndef SLUICE_SRC_COLLECTOR_VERDICT_H_
#define SLUICE_SRC_COLLECTOR_VERDICT_H_

#include <optional>
#include <string>

#include "os/process_watch.h"

namespace sluice::collector {

struct RunEnd {
  i64 ended_ns = 0;  // wall clock
  std::optional<int> exit_code;
  std::optional<int> signal;
  std::string reason;  // a sentence: "exited with 0", "killed by SIGSEGV, core dumped"
};

struct SeenEnd {
  os::ProcessEnd status;
  bool goodbye = false;          // it stopped Sluice as it should
  bool out_of_memory = false;    // the kernel has killed for want of memory in its group meanwhile
  bool memory_was_seen = false;  // that could be looked at
};
[[nodiscard]] RunEnd verdict_of(const SeenEnd& seen, i64 wall_ns);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_VERDICT_H_
