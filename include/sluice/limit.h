// Calls that may come too often: a limit for each call site.
//
//     SLUICE_LOG_LIMITED(sluice::Level::warning, sluice::once_in_ms(1000), "slow frame {ms}", ms);
//     SLUICE_LOG_LIMITED(sluice::Level::info, sluice::every_nth(100), "connected to {}", host);
//     SLUICE_LOG_LIMITED(sluice::Level::info, sluice::one_in(64), "served {path}", path);
//
// What a limit keeps out evaluates no arguments and is counted as filtered (stats().filtered). The
// next record of the site that passes has a field `suppressed`, how many that were. As safe as any
// call: see sluice/log.h.
#ifndef SLUICE_LIMIT_H_
#define SLUICE_LIMIT_H_

#include "sluice/detail/site_limit.h"
#include "sluice/log.h"

namespace sluice {
inline namespace v1 {

// At most one in this time, of all threads, by a clock that moves on in steps of at most 20 ms.
[[nodiscard]] constexpr Limit once_in_ms(std::uint64_t ms) {
  return {Limit::Kind::interval, ms * 1'000'000};
}
// The first call of a thread, and then each n-th. (Threads that take the place of ended ones go on
// in their count; from the 17th thread on they share one.)
[[nodiscard]] constexpr Limit every_nth(std::uint64_t n) { return {Limit::Kind::nth, n}; }
// Each by chance, with probability 1/n. The record has a field `weight`, n: a sum
// of weights estimates how many calls there were.
[[nodiscard]] constexpr Limit one_in(std::uint64_t n) { return {Limit::Kind::sample, n}; }

namespace detail {

template <Limit kLimit, class... A>
SLUICE_INLINE void limited_call(SiteLimit& state, CallSite& site, const SiteText& text,
                                const A&... arg) noexcept {
  static_assert(sizeof...(A) + 3 <= kSiteArgumentsMax,
                "sluice: a call with a limit takes at most 29 arguments");
  const std::uint64_t suppressed = state.take_suppressed();
  Admission result;
  if constexpr (kLimit.kind == Limit::Kind::sample) {
    result = call(site, text, 0, arg..., kv("weight", kLimit.amount), kv("suppressed", suppressed));
  } else {
    result = call(site, text, 0, arg..., kv("suppressed", suppressed));
  }
  if (result != Admission::kOk) [[unlikely]]
    state.put_back(suppressed);
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#define SLUICE_LIMITED_CALL_(level, flags, limit, format, ...)                                  \
  do {                                                                                          \
    if constexpr ((level) >= SLUICE_ACTIVE_LEVEL) {                                             \
      static constexpr ::sluice::Limit sluice_limit_ = limit;                                   \
      static constinit ::sluice::detail::SiteLimit sluice_state_;                               \
      SLUICE_SITE_(::sluice::detail::RecordKind::kLog, level, flags,                            \
                   ::sluice::detail::MetricKind::kNone, format, "");                            \
      if (sluice_site_.control_value() != ::sluice::detail::kOff &&                             \
          sluice_state_.admit(sluice_limit_)) {                                                 \
        ::sluice::detail::limited_call<sluice_limit_>(sluice_state_, sluice_site_,              \
                                                      sluice_text_ __VA_OPT__(, ) __VA_ARGS__); \
      } else {                                                                                  \
        ::sluice::detail::count_filtered();                                                     \
      }                                                                                         \
    }                                                                                           \
  } while (0)

#define SLUICE_LOG_LIMITED_(level, limit, format, ...)                        \
  do {                                                                        \
    SLUICE_CHECK_FORMAT_(format, __VA_ARGS__);                                \
    SLUICE_LIMITED_CALL_(level, 0, limit, format __VA_OPT__(, ) __VA_ARGS__); \
  } while (0)

#define SLUICE_LOGGER_LOG_LIMITED_(logger, level, limit, format, ...)                           \
  do {                                                                                          \
    SLUICE_CHECK_FORMAT_(format, __VA_ARGS__);                                                  \
    if ((logger).passes(level)) {                                                               \
      SLUICE_LIMITED_CALL_(level, ::sluice::detail::SiteFlag::kLoggerIsFirstArg, limit, format, \
                           (logger).id() __VA_OPT__(, ) __VA_ARGS__);                           \
    }                                                                                           \
  } while (0)

// level: a ::sluice::Level constant; limit: a constant, as above; then as SLUICE_INFO().
#define SLUICE_LOG_LIMITED(level, limit, ...) SLUICE_LOG_LIMITED_(level, limit, __VA_ARGS__)
#define SLUICE_LOGGER_LOG_LIMITED(logger, level, limit, ...) \
  SLUICE_LOGGER_LOG_LIMITED_(logger, level, limit, __VA_ARGS__)

#endif  // SLUICE_LIMIT_H_
