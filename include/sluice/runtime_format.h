// Format texts that are known at run time only: from a configuration, a script, a translation.
//
//     SLUICE_LOG_RUNTIME(sluice::Level::info, texts.greeting, name, sluice::kv("visits", n));
//
// As SLUICE_LOG(), but the message is made in the caller (about a microsecond), and its named
// arguments are one JSON object in the record. A mistake in the format never throws and hides
// nothing: it shows in the message, beside the argument ("{:d}!(string abc)", "{1}!(missing)",
// " !(i32 5)"). Secrets are taken out by their names before, as of any record. Allocates: not
// for signal handlers.
#ifndef SLUICE_RUNTIME_FORMAT_H_
#define SLUICE_RUNTIME_FORMAT_H_

#include <initializer_list>

#include "sluice/detail/any_argument.h"
#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace detail {

// One call in the source: a record has fields, or none.
struct RuntimeSites {
  CallSite plain;
  CallSite with_fields;
  constexpr explicit RuntimeSites(Level level) noexcept
      : plain(level, RecordKind::kLog), with_fields(level, RecordKind::kLog) {}
};

SLUICE_API Admission log_runtime(RuntimeSites& sites, const SiteText& text, std::string_view format,
                                 std::initializer_list<AnyArgument> arguments) noexcept;

template <class... A>
SLUICE_COLD Admission call_runtime(RuntimeSites& sites, const SiteText& text,
                                   std::string_view format, const A&... arg) noexcept {
  static_assert(sizeof...(A) < kSiteArgumentsMax, "sluice: a call takes at most 31 arguments");
  // What a value of the user's own type is made to lives to the end of this expression.
  return log_runtime(sites, text, format, {AnyArgument(Holder<A>{arg}.encode())...});
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice

// level: a ::sluice::Level constant; format: anything that is a std::string_view.
#define SLUICE_LOG_RUNTIME(level, format, ...)                                   \
  do {                                                                           \
    if constexpr ((level) >= SLUICE_ACTIVE_LEVEL) {                              \
      static constexpr ::sluice::detail::SiteText sluice_text_{                  \
          ::sluice::detail::RecordKind::kLog,                                    \
          level,                                                                 \
          ::sluice::detail::MetricKind::kNone,                                   \
          0,                                                                     \
          __LINE__,                                                              \
          __FILE__,                                                              \
          __func__,                                                              \
          SLUICE_LOGGER_NAME,                                                    \
          "{}",                                                                  \
          ""};                                                                   \
      static constinit ::sluice::detail::RuntimeSites sluice_sites_{level};      \
      if (sluice_sites_.plain.control_value() != ::sluice::detail::kOff) {       \
        (void)::sluice::detail::call_runtime(sluice_sites_, sluice_text_,        \
                                             format __VA_OPT__(, ) __VA_ARGS__); \
      } else {                                                                   \
        ::sluice::detail::count_filtered();                                      \
      }                                                                          \
    }                                                                            \
  } while (0)

#endif  // SLUICE_RUNTIME_FORMAT_H_
