// A call whose level is known at run time only: one site for each level, since the level belongs to
// the site.
//
// Threading: constant-initialised, as every call site.
#ifndef SLUICE_DETAIL_LEVEL_SITES_H_
#define SLUICE_DETAIL_LEVEL_SITES_H_

#include <cstddef>

#include "sluice/detail/call.h"
#include "sluice/logger.h"

namespace sluice {
inline namespace v1 {
namespace detail {

// `Here` is a type of its own for each call in the source, or for each function that takes run-time
// texts only. The message is the first visible argument; the logger's id travels in each record.
template <class Here, std::uint8_t kFlags>
class LevelSites {
 public:
  template <class... A>
  static Admission log(Level level, std::string_view logger, const A&... arg) noexcept {
    Logger handle{logger};
    return log(level, handle, arg...);
  }
  template <class... A>
  static Admission log(Level level, Logger& handle, const A&... arg) noexcept {
    const std::size_t at = place_of(level);
    if (at == kCount) return Admission::kFiltered;
    if (!handle.passes(level)) return Admission::kFiltered;
    return call(sites_[at], kTexts[at], 0, handle.id(), arg...);
  }

 private:
  static constexpr std::size_t kCount = 7;
  static constexpr Level kLevels[kCount] = {Level::trace,   Level::debug,   Level::info,
                                            Level::notice,  Level::warning, Level::error,
                                            Level::critical};
  static constexpr std::size_t place_of(Level level) noexcept {
    std::size_t at = 0;
    while (at < kCount && kLevels[at] != level) ++at;
    return at;
  }
  static constexpr SiteText text_of(Level level) noexcept {
    SiteText text;
    text.level = level;
    text.flags = kLoggerIsFirstArg | kFlags;
    text.format = "{}";
    return text;
  }
  static constexpr SiteText kTexts[kCount] = {
      text_of(kLevels[0]), text_of(kLevels[1]), text_of(kLevels[2]), text_of(kLevels[3]),
      text_of(kLevels[4]), text_of(kLevels[5]), text_of(kLevels[6])};
  static constinit inline CallSite sites_[kCount] = {
      {kLevels[0], RecordKind::kLog}, {kLevels[1], RecordKind::kLog},
      {kLevels[2], RecordKind::kLog}, {kLevels[3], RecordKind::kLog},
      {kLevels[4], RecordKind::kLog}, {kLevels[5], RecordKind::kLog},
      {kLevels[6], RecordKind::kLog}};
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_LEVEL_SITES_H_
