// Records whose name or text is known only at run time: one call site each, the name an argument.
#include "front/front.h"
#include "sluice/detail/level_sites.h"
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

template <MetricKind kMetric>
Admission sample(std::string_view name, double value, std::string_view unit) noexcept {
  static constexpr SiteText text =
      named(RecordKind::kMetric, kMetric, detail::kNameIsFirstArg | detail::kUnitIsNextArg, "");
  static constinit CallSite site{Level::info, RecordKind::kMetric};
  return call(site, text, 0, name, unit, value);
}

using Text = detail::LevelSites<struct TextTag, 0>;
using TextWithFields = detail::LevelSites<struct TextWithFieldsTag, detail::kFieldsAreLastArg>;

}  // namespace

Admission log_text(Level level, std::string_view logger, std::string_view text) noexcept {
  return Text::log(level, logger, text);
}
Admission log_text(Level level, std::string_view logger, std::string_view text,
                   Json fields) noexcept {
  if (fields.text.empty()) return Text::log(level, logger, text);
  return TextWithFields::log(level, logger, text, fields);
}

Admission event(std::string_view name, std::string_view payload_json) noexcept {
  static constexpr SiteText text =
      named(RecordKind::kEvent, MetricKind::kNone, detail::kNameIsFirstArg, "");
  static constinit CallSite site{Level::info, RecordKind::kEvent};
  return call(site, text, 0, name, Json{payload_json});
}

Admission gauge(std::string_view name, double value, std::string_view unit) noexcept {
  return sample<MetricKind::kGauge>(name, value, unit);
}
Admission counter(std::string_view name, double increment, std::string_view unit) noexcept {
  return sample<MetricKind::kCounter>(name, increment, unit);
}
Admission histogram(std::string_view name, double value, std::string_view unit) noexcept {
  return sample<MetricKind::kHistogram>(name, value, unit);
}
Admission timer(std::string_view name, double seconds) noexcept {
  return sample<MetricKind::kTimer>(name, seconds, {});
}

Admission state(std::string_view patch_json) noexcept {
  static constexpr SiteText text = named(RecordKind::kState, MetricKind::kNone, 0, "state");
  static constinit CallSite site{Level::info, RecordKind::kState};
  return call(site, text, 0, Json{patch_json});
}

}  // namespace v1
}  // namespace sluice
