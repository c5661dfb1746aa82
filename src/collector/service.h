// What the daemon is made of: parts with threads of their own, that it starts, watches, shows and
// stops, each by the same few words.
#ifndef SLUICE_SRC_COLLECTOR_SERVICE_H_
#define SLUICE_SRC_COLLECTOR_SERVICE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::collector {

// One number of a service, for /metrics and for `sluice status`. The texts are literals, but for
// the label's value.
struct Figure {
  enum Type : u8 {
    kCounter,     // only grows; its name ends in _total
    kGauge,       // what is so now
    kNanosecond,  // a gauge; shown in seconds, and its name ends in _seconds
  };
  std::string_view name;  // within the service: "records_total"
  Type type = kGauge;
  u64 value = 0;
  std::string_view help = {};
  // Figures of one name stand together and differ in the value of one label.
  std::string_view label_name = {};
  std::string label_value = {};
};

class Service {
 public:
  virtual ~Service() = default;
  Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // Thread-safe and cheap.
  [[nodiscard]] virtual std::vector<Figure> figures() const = 0;
  // False: a thread of it has not got on since the last call. Called by one thread, every second or
  // so; never waits for anything that the service does.
  [[nodiscard]] virtual bool gets_on() = 0;
  // Until deadline_ns (CLOCK_MONOTONIC). How much was left undone: then something of it may still
  // run, and the process can only be ended at once.
  [[nodiscard]] virtual u64 stop(u64 deadline_ns) = 0;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_SERVICE_H_
