// What a program says: log records, events, metric samples, state, context.
//
// Macros and functions do the same. A macro evaluates its arguments only when the level passes, and
// once to find out, in the first call of its site; it is cut from the program below
// SLUICE_ACTIVE_LEVEL. A function's arguments are always evaluated.
// All of them are thread-safe and async-signal-safe, may be called before start(), after stop(),
// in a forked child and while the process exits, never block (Overflow::block and Mode::immediate
// excepted), keep errno and never throw. In Mode::immediate a call runs the sinks, which allocate
// and lock: a signal handler may log there only where it could call printf().
//
//     SLUICE_INFO("order {id} at {px}", id, px);              // named: typed fields
//     SLUICE_WARNING("slow frame", sluice::kv("ms", 21.5));   // a field outside the message
//     SLUICE_LOGGER_INFO(net, "connected to {}", host);       // static sluice::Logger net{"net"};
//     sluice::info("order {} at {}", id, px);                 // no macro
//
// `#define SLUICE_LOGGER_NAME "game.physics"` before the include gives a file's macros a logger.
#ifndef SLUICE_LOG_H_
#define SLUICE_LOG_H_

#include "sluice/detail/call.h"
#include "sluice/logger.h"

// Calls below this level are not compiled at all.
#ifndef SLUICE_ACTIVE_LEVEL
#define SLUICE_ACTIVE_LEVEL ::sluice::Level::trace
#endif
#ifndef SLUICE_LOGGER_NAME
#define SLUICE_LOGGER_NAME ""
#endif

#define SLUICE_SITE_(kind, level, flags, metric, format, unit)                                     \
  static constexpr ::sluice::detail::SiteText sluice_text_{                                        \
      kind, level, metric, flags, __LINE__, __FILE__, __func__, SLUICE_LOGGER_NAME, format, unit}; \
  static constinit ::sluice::detail::CallSite sluice_site_ { level, kind }

#define SLUICE_CALL_(kind, level, flags, metric, at, format, ...)                                \
  do {                                                                                           \
    if constexpr ((level) >= SLUICE_ACTIVE_LEVEL) {                                              \
      SLUICE_SITE_(kind, level, flags, metric, format, "");                                      \
      if (sluice_site_.control_value() != ::sluice::detail::kOff) {                              \
        (void)::sluice::detail::call(sluice_site_, sluice_text_, at __VA_OPT__(, ) __VA_ARGS__); \
      } else {                                                                                   \
        ::sluice::detail::count_filtered();                                                      \
      }                                                                                          \
    }                                                                                            \
  } while (0)

#define SLUICE_LOG_AT_(level, at, format, ...)                                                \
  do {                                                                                        \
    SLUICE_CHECK_FORMAT_(format, __VA_ARGS__);                                                \
    SLUICE_CALL_(::sluice::detail::RecordKind::kLog, level, 0,                                \
                 ::sluice::detail::MetricKind::kNone, at, format __VA_OPT__(, ) __VA_ARGS__); \
  } while (0)

// level: a ::sluice::Level constant.
#define SLUICE_LOG(level, ...) SLUICE_LOG_AT_(level, 0, __VA_ARGS__)
// at: what sluice::ticks() gave; saves reading the clock again.
#define SLUICE_LOG_AT(level, at, ...) SLUICE_LOG_AT_(level, at, __VA_ARGS__)

#define SLUICE_TRACE(...) SLUICE_LOG(::sluice::Level::trace, __VA_ARGS__)
#define SLUICE_DEBUG(...) SLUICE_LOG(::sluice::Level::debug, __VA_ARGS__)
#define SLUICE_INFO(...) SLUICE_LOG(::sluice::Level::info, __VA_ARGS__)
#define SLUICE_NOTICE(...) SLUICE_LOG(::sluice::Level::notice, __VA_ARGS__)
#define SLUICE_WARNING(...) SLUICE_LOG(::sluice::Level::warning, __VA_ARGS__)
#define SLUICE_ERROR(...) SLUICE_LOG(::sluice::Level::error, __VA_ARGS__)
#define SLUICE_CRITICAL(...) SLUICE_LOG(::sluice::Level::critical, __VA_ARGS__)

#define SLUICE_LOGGER_LOG_AT_(logger, level, at, format, ...)       \
  do {                                                              \
    SLUICE_CHECK_FORMAT_(format, __VA_ARGS__);                      \
    if ((logger).passes(level)) {                                   \
      SLUICE_CALL_(::sluice::detail::RecordKind::kLog, level,       \
                   ::sluice::detail::SiteFlag::kLoggerIsFirstArg,   \
                   ::sluice::detail::MetricKind::kNone, at, format, \
                   (logger).id() __VA_OPT__(, ) __VA_ARGS__);       \
    }                                                               \
  } while (0)

// logger: a sluice::Logger; at: as in SLUICE_LOG_AT.
#define SLUICE_LOGGER_LOG(logger, level, ...) SLUICE_LOGGER_LOG_AT_(logger, level, 0, __VA_ARGS__)
#define SLUICE_LOGGER_LOG_AT(logger, level, at, ...) \
  SLUICE_LOGGER_LOG_AT_(logger, level, at, __VA_ARGS__)
#define SLUICE_LOGGER_TRACE(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::trace, __VA_ARGS__)
#define SLUICE_LOGGER_DEBUG(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::debug, __VA_ARGS__)
#define SLUICE_LOGGER_INFO(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::info, __VA_ARGS__)
#define SLUICE_LOGGER_NOTICE(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::notice, __VA_ARGS__)
#define SLUICE_LOGGER_WARNING(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::warning, __VA_ARGS__)
#define SLUICE_LOGGER_ERROR(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::error, __VA_ARGS__)
#define SLUICE_LOGGER_CRITICAL(logger, ...) \
  SLUICE_LOGGER_LOG(logger, ::sluice::Level::critical, __VA_ARGS__)

// An event: SLUICE_EVENT("user.login", kv("user", id), kv("ok", true)). Level info.
#define SLUICE_EVENT(name, ...)                                                \
  SLUICE_CALL_(::sluice::detail::RecordKind::kEvent, ::sluice::Level::info, 0, \
               ::sluice::detail::MetricKind::kNone, 0, name __VA_OPT__(, ) __VA_ARGS__)

#define SLUICE_METRIC_(metric, name, value, ...)                                                 \
  SLUICE_CALL_(::sluice::detail::RecordKind::kMetric, ::sluice::Level::info, 0, metric, 0, name, \
               static_cast<double>(value) __VA_OPT__(, ) __VA_ARGS__)

// Metric samples: name, value, then tags as kv(). A counter's value is the increment; a timer's is
// in seconds.
#define SLUICE_GAUGE(name, ...) \
  SLUICE_METRIC_(::sluice::detail::MetricKind::kGauge, name, __VA_ARGS__)
#define SLUICE_COUNTER(name, ...) \
  SLUICE_METRIC_(::sluice::detail::MetricKind::kCounter, name, __VA_ARGS__)
#define SLUICE_HISTOGRAM(name, ...) \
  SLUICE_METRIC_(::sluice::detail::MetricKind::kHistogram, name, __VA_ARGS__)
#define SLUICE_TIMER(name, ...) \
  SLUICE_METRIC_(::sluice::detail::MetricKind::kTimer, name, __VA_ARGS__)

// A change of state: the fields are a JSON merge patch (RFC 7396). SLUICE_STATE(kv("hp", 93)).
// Uses the ring's reserve.
#define SLUICE_STATE(...)                                                      \
  SLUICE_CALL_(::sluice::detail::RecordKind::kState, ::sluice::Level::info, 0, \
               ::sluice::detail::MetricKind::kNone, 0, "state", __VA_ARGS__)

namespace sluice {
inline namespace v1 {

namespace detail {
void the_format_text_does_not_fit_the_arguments();  // not constexpr, never defined
}

// A format text with where it stands; made by the compiler from a string literal.
template <class... A>
struct Format {
  std::string_view text;
  const char* file;
  const char* function;
  std::uint32_t line;

  template <class Text>
    requires std::is_convertible_v<const Text&, std::string_view>
  consteval Format(const Text& literal, const char* file_in = __builtin_FILE(),
                   const char* function_in = __builtin_FUNCTION(),
                   std::uint32_t line_in = __builtin_LINE())
      : text(literal), file(file_in), function(function_in), line(line_in) {
    // Not a constant expression, hence an error of the compiler, when the text does not fit.
    if (detail::ArgList<A...>::check(text) != detail::FormatVerdict::kOk) {
      detail::the_format_text_does_not_fit_the_arguments();
    }
  }
};
template <class... A>
using FormatFor = Format<std::type_identity_t<A>...>;

namespace detail {

// One static site for each call in the source: `Here` is a type of its own at each of them.
template <Level kLevel, class Here, class... A>
Admission log_here(const FormatFor<A...>& format, const A&... arg) noexcept {
  static constinit CallSite site{kLevel, RecordKind::kLog};
  if (site.control_value() == kOff) {
    count_filtered();
    return Admission::kFiltered;
  }
  const SiteText text{RecordKind::kLog, kLevel, MetricKind::kNone, 0, format.line, format.file,
                      format.function,  "",     format.text,       ""};
  return call(site, text, 0, arg...);
}

}  // namespace detail

#define SLUICE_LEVEL_FUNCTION_(name)                                        \
  template <class... A, class Here = decltype([] {})>                       \
  inline Admission name(FormatFor<A...> format, const A&... arg) noexcept { \
    return detail::log_here<Level::name, Here, A...>(format, arg...);       \
  }
SLUICE_LEVEL_FUNCTION_(trace)
SLUICE_LEVEL_FUNCTION_(debug)
SLUICE_LEVEL_FUNCTION_(info)
SLUICE_LEVEL_FUNCTION_(notice)
SLUICE_LEVEL_FUNCTION_(warning)
SLUICE_LEVEL_FUNCTION_(error)
SLUICE_LEVEL_FUNCTION_(critical)
#undef SLUICE_LEVEL_FUNCTION_

// The forms below take names and texts known only at run time; the name travels in each record.

// A line of text as a record of this level and logger ("" is the root logger).
SLUICE_API Admission log_text(Level level, std::string_view logger, std::string_view text) noexcept;
// The same with a JSON object whose members are the record's fields.
SLUICE_API Admission log_text(Level level, std::string_view logger, std::string_view text,
                              Json fields) noexcept;
// An event with a JSON object as payload.
SLUICE_API Admission event(std::string_view name, std::string_view payload_json) noexcept;
// Metric samples; the unit is UCUM's or any other text ("ms", "MB"), empty: none.
SLUICE_API Admission gauge(std::string_view name, double value,
                           std::string_view unit = {}) noexcept;
SLUICE_API Admission counter(std::string_view name, double increment,
                             std::string_view unit = {}) noexcept;
SLUICE_API Admission histogram(std::string_view name, double value,
                               std::string_view unit = {}) noexcept;
SLUICE_API Admission timer(std::string_view name, double seconds) noexcept;
// A JSON merge patch (RFC 7396).
SLUICE_API Admission state(std::string_view patch_json) noexcept;

// Fields that every record of this thread carries while the object lives. Objects of one thread end
// in the reverse order of their making. Fields beyond a thread's 64, or 1000 bytes, are left
// out and counted (stats().context_refused). Costs one record at each end; a plain call pays
// nothing. Texts are copied.
class SLUICE_API Context {
 public:
  template <class... T>
  explicit Context(const Field<T>&... field) noexcept {
    begin();
    (add(field.name, detail::Holder<T>{field.value}.encode()), ...);
    publish();
  }
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  template <detail::ArgType kType>
  void add(std::string_view name, detail::Scalar<kType> value) noexcept {
    add_bytes(kType, name, &value.word, sizeof value.word);
  }
  template <detail::ArgType kType>
  void add(std::string_view name, detail::Tail<kType> value) noexcept {
    add_bytes(kType, name, value.data, value.size);
  }
  void begin() noexcept;
  void add_bytes(detail::ArgType type, std::string_view name, const void* bytes,
                 std::size_t size) noexcept;
  void publish() noexcept;

  std::uint32_t outer_bytes_;
  std::uint32_t outer_count_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_LOG_H_
