// spdlog's header of this name, over Sluice.
#ifndef SLUICE_COMPAT_SPDLOG_STOPWATCH_H_
#define SLUICE_COMPAT_SPDLOG_STOPWATCH_H_

#include <chrono>

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

// Seconds since it was made or reset, as a value to log.
class stopwatch {
 public:
  stopwatch() : since_(std::chrono::steady_clock::now()) {}
  [[nodiscard]] std::chrono::duration<double> elapsed() const {
    return std::chrono::steady_clock::now() - since_;
  }
  void reset() { since_ = std::chrono::steady_clock::now(); }

 private:
  std::chrono::steady_clock::time_point since_;
};

}  // namespace sluice_shim
}  // namespace spdlog

template <>
struct fmt::formatter<spdlog::stopwatch> : fmt::formatter<double> {
  template <class Context>
  auto format(const spdlog::stopwatch& watch, Context& context) const -> decltype(context.out()) {
    return fmt::formatter<double>::format(watch.elapsed().count(), context);
  }
};

#endif  // SLUICE_COMPAT_SPDLOG_STOPWATCH_H_
