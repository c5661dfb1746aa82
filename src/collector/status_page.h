// What the daemon says about itself: the page of /metrics, the answer of /health, the object behind
// `sluice status`. All from the same figures.
//
// Threading: Health is thread-safe; the rest are plain functions over services.
#ifndef SLUICE_SRC_COLLECTOR_STATUS_PAGE_H_
#define SLUICE_SRC_COLLECTOR_STATUS_PAGE_H_

#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "collector/http_server.h"
#include "collector/service.h"

namespace sluice::collector {

using Services = std::vector<std::unique_ptr<Service>>;

// What the last look at the services found. A look that does not come is a finding too: whoever
// looks may himself be stuck in one of them.
class Health {
 public:
  explicit Health(i64 look_interval_ns) : look_interval_ns_(look_interval_ns) {}

  // `stuck`: those that did not get on.
  void looked(i64 now_ns, std::vector<std::string> stuck);
  // Why all is not well; empty: it is.
  [[nodiscard]] std::string complaint(i64 now_ns) const;

 private:
  static constexpr i64 kLooksMissed = 5;

  const i64 look_interval_ns_;
  mutable std::mutex mutex_;
  i64 looked_ns_ = 0;
  std::vector<std::string> stuck_;
};

// Asks each whether it gets on; the names of those that do not.
[[nodiscard]] std::vector<std::string> stuck_services(const Services& services);

[[nodiscard]] std::string metrics_page(const Services& services, i64 started_ns, i64 now_ns);
[[nodiscard]] nlohmann::ordered_json status_object(const Services& services, const Health& health,
                                                   i64 started_ns, i64 now_ns);
// Of /metrics, /health and /; 404 for any other path.
[[nodiscard]] HttpAnswer answer_page(std::string_view path, const Services& services,
                                     const Health& health, i64 started_ns, i64 now_ns);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_STATUS_PAGE_H_
