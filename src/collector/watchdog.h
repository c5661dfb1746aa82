// Looks, every interval, whether the services get on, and tells the service manager so only then:
// one that hangs for good has the daemon restarted, and what is in the regions is drained by the
// next.
//
// Threading: of the daemon's main thread; what it finds is in a Health, which others read.
#ifndef SLUICE_SRC_COLLECTOR_WATCHDOG_H_
#define SLUICE_SRC_COLLECTOR_WATCHDOG_H_

#include <string>
#include <vector>

#include "base/bytes.h"
#include "collector/status_page.h"
#include "os/service_manager.h"

namespace sluice::collector {

class Watchdog {
 public:
  // How often to look: as the manager wants it, and each second without one that watches.
  [[nodiscard]] static i64 interval_ns(const os::ServiceManager& manager);

  Watchdog(const Services& services, Health& health, const os::ServiceManager& manager)
      : services_(services), health_(health), manager_(manager) {}

  void look(i64 now_ns);

 private:
  const Services& services_;
  Health& health_;
  const os::ServiceManager& manager_;
  std::vector<std::string> stuck_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_WATCHDOG_H_
