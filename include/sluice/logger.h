// A logger known at run time, or shared by several files: static sluice::Logger net{"net.http"};
#ifndef SLUICE_LOGGER_H_
#define SLUICE_LOGGER_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sluice/detail/thread_block.h"
#include "sluice/level.h"

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
    // acquire: pairs with the release in Logger::find() (P7): the logger's id precedes its byte
    // relaxed: a hint; what hangs on it was ordered by the pointer (P7)
    const std::uint8_t threshold =
        threshold_.load(std::memory_order_acquire)->load(std::memory_order_relaxed);
    if (threshold == 0) [[unlikely]]
      return find_and_test(level);
    if (static_cast<std::uint8_t>(level) >= threshold) return true;
    count();
    return false;
  }
  // The logger's number in this process's region. Call passes() first.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_.load(std::memory_order_relaxed); }

 private:
  SLUICE_COLD bool find_and_test(Level level) noexcept;
  static void count() noexcept;

  std::string_view name_;
  // Points at the logger's threshold in the region; until it is found, at a byte that is 0.
  std::atomic<std::atomic<std::uint8_t>*> threshold_{&detail::g_cold};
  std::atomic<std::uint32_t> id_{0};
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_LOGGER_H_
