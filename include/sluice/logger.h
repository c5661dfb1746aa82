// A logger known at run time, or shared by several files: static sluice::Logger net{"net.http"};
#ifndef SLUICE_LOGGER_H_
#define SLUICE_LOGGER_H_

#include <cstdint>
#include <string_view>

#include "sluice/detail/call_site.h"

namespace sluice {
inline namespace v1 {

// Dots in the name make a hierarchy: a level set for "net" holds for "net.http" unless that has one
// of its own. Cheap to make, freely copied, legal as a static of any lifetime (the name must live
// as long, a literal does). Thread-safe.
class SLUICE_API Logger {
 public:
  constexpr explicit Logger(std::string_view name) noexcept : name_(name) {}
  constexpr Logger(const Logger& other) noexcept : name_(other.name_) {}

  [[nodiscard]] constexpr std::string_view name() const noexcept { return name_; }

  // Whether the logger's threshold lets this level through.
  [[nodiscard]] SLUICE_INLINE bool passes(Level level) noexcept {
    const std::uint8_t threshold = words_.control_value();
    if (threshold == 0) [[unlikely]]
      return find_and_test(level);
    if (static_cast<std::uint8_t>(level) >= threshold) return true;
    count();
    return false;
  }
  // The logger's number in this process's region. Call passes() first.
  [[nodiscard]] std::uint32_t id() const noexcept {
    // relaxed: ordered by the pointer that passes() has followed (P7)
    return words_.id.load(std::memory_order_relaxed);
  }

 private:
  SLUICE_COLD bool find_and_test(Level level) noexcept;
  static void count() noexcept;

  std::string_view name_;
  // The control byte is the logger's threshold in the region; until that is found, a byte that is
  // 0.
  detail::SiteWords<detail::RealSync> words_{&detail::g_cold};
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_LOGGER_H_
