#include "collector/watchdog.h"

#include <algorithm>

#include "base/durations.h"
#include "collector/own_log.h"

namespace sluice::collector {
namespace {}  // namespace

i64 Watchdog::interval_ns(const os::ServiceManager& manager) {
  const i64 wanted = manager.alive_interval_ns();
  return wanted == 0 ? kNsPerSecond : wanted;
}

void Watchdog::look(i64 now_ns) {
  std::vector<std::string> stuck = stuck_services(services_);
  for (const std::string& name : stuck) {
    if (std::ranges::find(stuck_, name) == stuck_.end()) say(Level::critical, name + " hangs");
  }
  for (const std::string& name : stuck_) {
    if (std::ranges::find(stuck, name) == stuck.end()) say(Level::notice, name + " gets on again");
  }
  stuck_ = stuck;
  health_.looked(now_ns, std::move(stuck));
  if (stuck_.empty()) manager_.alive();
}

}  // namespace sluice::collector
