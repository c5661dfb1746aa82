#include "collector/verdict.h"

#include "os/child.h"

namespace sluice::collector {

RunEnd verdict_of(const SeenEnd& seen, i64 wall_ns) {
  RunEnd end{.ended_ns = wall_ns, .exit_code = {}, .signal = {}, .reason = {}};
  const os::ProcessEnd& status = seen.status;
  if (!status.known) {
    end.reason = seen.goodbye ? "ended: it said goodbye; its exit status cannot be known"
                              : "vanished: gone without goodbye";
  } else if (status.signal == 0) {
    end.exit_code = status.exit_code;
    end.reason = "exited with " + std::to_string(status.exit_code);
  } else {
    end.signal = status.signal;
    end.reason = "killed by " + os::signal_name(status.signal);
    if (status.core) end.reason += ", core dumped";
    const bool by_kill = os::signal_name(status.signal) == "SIGKILL";
    if (by_kill && seen.out_of_memory) {
      end.reason = "out of memory: " + end.reason;
    } else if (by_kill && !seen.memory_was_seen) {
      end.reason += ", cause unknown";
    }
  }
  return end;
}

}  // namespace sluice::collector
