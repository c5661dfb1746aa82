// Records whose name or text is known only at run time: one call site each, the name an argument.
#include "front/front.h"
#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace {

using detail::call;
using detail::CallSite;
using detail::MetricKind;
using detail::RecordKind;
using detail::SiteText;

constexpr SiteText named(RecordKind kind, MetricKind metric, std::uint8_t flags,
                         std::string_view format) {
  SiteText text;
  text.kind = kind;
  text.metric = metric;
  text.flags = flags;
  text.format = format;
  return text;
}

// One site for each level: the level belongs to the site.
template <Level kLevel>
Admission log_text_at(std::string_view logger, std::string_view line) noexcept {
  static constexpr SiteText text = [] {
    SiteText made = named(RecordKind::kLog, MetricKind::kNone, detail::kLoggerIsFirstArg, "{}");
    made.level = kLevel;
    return made;
  }();
  static constinit CallSite site{kLevel, RecordKind::kLog};
  Logger handle{logger};
  if (!handle.passes(kLevel)) return Admission::kFiltered;
  return call(site, text, 0, handle.id(), line);
}

template <MetricKind kMetric>
Admission sample(std::string_view name, double value) noexcept {
  static constexpr SiteText text = named(RecordKind::kMetric, kMetric, detail::kNameIsFirstArg, "");
  static constinit CallSite site{Level::info, RecordKind::kMetric};
  return call(site, text, 0, name, value);
}

}  // namespace

Admission log_text(Level level, std::string_view logger, std::string_view text) noexcept {
  switch (level) {
    case Level::trace:
      return log_text_at<Level::trace>(logger, text);
    case Level::debug:
      return log_text_at<Level::debug>(logger, text);
    case Level::info:
      return log_text_at<Level::info>(logger, text);
    case Level::notice:
      return log_text_at<Level::notice>(logger, text);
    case Level::warning:
      return log_text_at<Level::warning>(logger, text);
    case Level::error:
      return log_text_at<Level::error>(logger, text);
    case Level::critical:
      return log_text_at<Level::critical>(logger, text);
    case Level::off:
      break;
  }
  return Admission::kFiltered;
}

Admission event(std::string_view name, std::string_view payload_json) noexcept {
  static constexpr SiteText text =
      named(RecordKind::kEvent, MetricKind::kNone, detail::kNameIsFirstArg, "");
  static constinit CallSite site{Level::info, RecordKind::kEvent};
  return call(site, text, 0, name, Json{payload_json});
}

Admission gauge(std::string_view name, double value) noexcept {
  return sample<MetricKind::kGauge>(name, value);
}
Admission counter(std::string_view name, double increment) noexcept {
  return sample<MetricKind::kCounter>(name, increment);
}
Admission histogram(std::string_view name, double value) noexcept {
  return sample<MetricKind::kHistogram>(name, value);
}
Admission timer(std::string_view name, double seconds) noexcept {
  return sample<MetricKind::kTimer>(name, seconds);
}

Admission state(std::string_view patch_json) noexcept {
  static constexpr SiteText text = named(RecordKind::kState, MetricKind::kNone, 0, "state");
  static constinit CallSite site{Level::info, RecordKind::kState};
  return call(site, text, 0, Json{patch_json});
}

}  // namespace v1
}  // namespace sluice
