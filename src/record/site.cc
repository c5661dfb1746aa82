#include "record/site.h"

#include <algorithm>

namespace sluice {
namespace {

bool is_kind(u8 value) { return value >= 1 && value <= u8(RecordKind::kBytes); }
bool is_metric(u8 value) { return value <= u8(MetricKind::kTimer); }
bool is_type(u8 value) { return value >= 1 && value <= u8(ArgType::kJson); }
bool is_level(u8 value) { return value != u8(Level::off) && level_name(Level(value)) != "unknown"; }

template <class T>
void append(std::vector<std::byte>& out, T value) {
  const auto at = out.size();
  out.resize(at + sizeof value);
  store(out.data() + at, value);
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

u16 text_bytes(const std::string& text) {
  return u16(std::min<std::size_t>(text.size(), detail::kSiteTextBytesMax));
}

bool same(const Site& a, const Site& b) { return encode_site(a) == encode_site(b); }

}  // namespace

std::string_view kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::kLog:
      return "log";
    case RecordKind::kEvent:
      return "event";
    case RecordKind::kMetric:
      return "metric";
    case RecordKind::kState:
      return "state";
    case RecordKind::kTrack:
      return "track";
    case RecordKind::kParam:
      return "param";
    case RecordKind::kFile:
      return "file";
    case RecordKind::kBytes:
      return "bytes";
  }
  return "unknown";
}

std::string_view metric_name(MetricKind kind) {
  switch (kind) {
    case MetricKind::kNone:
      return "none";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kHistogram:
      return "histogram";
    case MetricKind::kTimer:
      return "timer";
  }
  return "unknown";
}

Result<Site> decode_site(ByteView untrusted) {
  ByteReader in(untrusted);
  Site site;
  site.id = in.read<u32>();
  site.line = in.read<u32>();
  const u8 kind = in.read<u8>();
  const u8 level = in.read<u8>();
  site.flags = in.read<u8>();
  const u8 metric = in.read<u8>();
  const u8 count = in.read<u8>();
  in.read<u8>();
  const u16 logger_bytes = in.read<u16>();
  const u16 file_bytes = in.read<u16>();
  const u16 function_bytes = in.read<u16>();
  const u16 format_bytes = in.read<u16>();
  const u16 unit_bytes = in.read<u16>();
  if (!in.ok() || site.id > kSiteIdMax || !is_kind(kind) || !is_level(level) ||
      !is_metric(metric) || count > detail::kSiteArgumentsMax) {
    return fatal("site definition: bad fixed part");
  }
  site.kind = RecordKind(kind);
  site.level = Level(level);
  site.metric = MetricKind(metric);
  const ByteView types = in.read_bytes(count);
  const ByteView name_bytes = in.read_bytes(count);
  site.logger = in.read_text(logger_bytes);
  site.file = in.read_text(file_bytes);
  site.function = in.read_text(function_bytes);
  site.format = in.read_text(format_bytes);
  site.unit = in.read_text(unit_bytes);
  for (u32 i = 0; i < count && in.ok(); ++i) {
    if (!is_type(u8(types[i]))) return fatal("site definition: unknown argument type");
    site.arguments.push_back({ArgType(types[i]), std::string(in.read_text(u8(name_bytes[i])))});
  }
  if (!in.ok()) return fatal("site definition: cut short");
  const u32 hidden = site.hidden_arguments();
  if (hidden > count) return fatal("site definition: hidden arguments missing");
  if ((site.flags & SiteFlag::kLoggerIsFirstArg) && site.arguments[0].type != ArgType::kU32) {
    return fatal("site definition: logger argument of wrong type");
  }
  const u32 name = (site.flags & SiteFlag::kLoggerIsFirstArg) ? 1 : 0;
  if ((site.flags & SiteFlag::kNameIsFirstArg) && site.arguments[name].type != ArgType::kString) {
    return fatal("site definition: name argument of wrong type");
  }
  if ((site.flags & SiteFlag::kUnitIsNextArg) &&
      site.arguments[hidden - 1].type != ArgType::kString) {
    return fatal("site definition: unit argument of wrong type");
  }
  if ((site.flags & SiteFlag::kFieldsAreLastArg) &&
      (hidden == count || site.arguments.back().type != ArgType::kJson)) {
    return fatal("site definition: fields argument missing or of wrong type");
  }
  if ((site.flags & SiteFlag::kIsSummary) &&
      (site.kind != RecordKind::kMetric || count < hidden + 3 ||
       site.arguments[hidden].type != ArgType::kF64 ||
       site.arguments[hidden + 1].type != ArgType::kU64 ||
       site.arguments[hidden + 2].type != ArgType::kJson)) {
    return fatal("site definition: arguments of a summary missing or of wrong type");
  }
  return site;
}

std::vector<std::byte> encode_site(const Site& site) {
  std::vector<std::byte> out;
  const auto count = u8(std::min<std::size_t>(site.arguments.size(), detail::kSiteArgumentsMax));
  append(out, site.id);
  append(out, site.line);
  append(out, u8(site.kind));
  append(out, u8(site.level));
  append(out, site.flags);
  append(out, u8(site.metric));
  append(out, count);
  append(out, u8{0});
  const std::string* const texts[] = {&site.logger, &site.file, &site.function, &site.format,
                                      &site.unit};
  for (const std::string* text : texts) append(out, text_bytes(*text));
  for (u32 i = 0; i < count; ++i) append(out, u8(site.arguments[i].type));
  for (u32 i = 0; i < count; ++i) {
    append(out, u8(std::min<std::size_t>(site.arguments[i].name.size(), 255)));
  }
  for (const std::string* text : texts) {
    append_text(out, std::string_view(*text).substr(0, text_bytes(*text)));
  }
  for (u32 i = 0; i < count; ++i) {
    append_text(out, std::string_view(site.arguments[i].name).substr(0, 255));
  }
  return out;
}

const Site& Dictionary::add(Site site) {
  const u32 id = site.id;
  if (by_id_.size() <= id) by_id_.resize(std::size_t{id} + 1);
  auto& place = by_id_[id];
  if (place) {
    if (same(*place, site)) return *place;
    replaced_.push_back(std::move(place));
    --count_;
  }
  place = std::make_unique<Site>(std::move(site));
  ++count_;
  return *place;
}

void Dictionary::clear() {
  by_id_.clear();
  replaced_.clear();
  count_ = 0;
}

}  // namespace sluice
