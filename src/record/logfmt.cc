#include "record/logfmt.h"

#include "record/value_text.h"

namespace sluice {
namespace {

constexpr std::string_view kTaken[] = {"ts",     "level", "logger", "msg",    "kind",      "event",
                                       "name",   "value", "unit",   "metric", "patch",     "source",
                                       "thread", "tid",   "seq",    "late",   "backtrace", "gap"};

}  // namespace

Logfmt::Line::Line(const Site& site)
    : message(site, TextForm::kJson, MessagePlan::Fields::kOmit), fields(site, kTaken) {
  level = " level=" + std::string(level_name(site.level));
  if (site.kind != RecordKind::kLog) kind = " kind=" + std::string(kind_name(site.kind));
  if (site.kind == RecordKind::kEvent) {
    kind += " event=";
  } else if (site.kind != RecordKind::kLog && site.kind != RecordKind::kState) {
    kind += " name=";
  }
  const std::string where = source_of(site);
  if (where.empty()) return;
  TextBuffer text;
  char* const begin = text.begin_record();
  (void)text.end_record(put_logfmt_text(text, begin, where));
  source = " source=" + std::string(text.text());
}

char* Logfmt::put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  at = put_raw(out, at, line.kind);
  if (site.kind == RecordKind::kState) {
    at = put_raw(out, at, " patch=");
    if (line.fields.has_payload()) {
      return put_logfmt_value(out, at, record.value(record.first_visible()));
    }
    patch_.clear();
    char* const begin = patch_.begin_record();
    (void)patch_.end_record(line.fields.put_json(patch_, begin, record));
    return put_logfmt_text(out, at, patch_.text());
  }
  at = put_logfmt_text(out, at, record.name());
  if (site.kind != RecordKind::kMetric) return at;
  if (record.first_visible() < record.arguments()) {
    at = put_raw(out, at, " value=");
    at = put_logfmt_value(out, at, record.value(record.first_visible()));
  }
  if (!record.unit().empty()) {
    at = put_raw(out, at, " unit=");
    at = put_logfmt_text(out, at, record.unit());
  }
  at = put_raw(out, at, " metric=");
  return put_raw(out, at, metric_name(site.metric));
}

bool Logfmt::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const RecordView& record = entry.record;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  at = put_raw(out, at, "ts=");
  at = time_.put(out.room(at, kNumberRoom), entry.wall_ns);
  at = put_raw(out, at, line.level);
  if (!entry.logger.empty()) {
    at = put_raw(out, at, " logger=");
    at = put_logfmt_text(out, at, entry.logger);
  }
  at = put_raw(out, at, " msg=\"");
  at = line.message.put(entry, out, at);
  at = put_raw(out, at, "\"");
  if (entry.site.kind != RecordKind::kLog) at = put_kind(line, entry, out, at);
  if (entry.site.kind != RecordKind::kState) at = line.fields.put_logfmt(out, at, record);
  if (!record.context().empty()) at = put_logfmt_context(out, at, record.context(), "context.");
  at = put_raw(out, at, line.source);
  if (!entry.thread.name.empty()) {
    at = put_raw(out, at, " thread=");
    at = put_logfmt_text(out, at, entry.thread.name);
  }
  at = put_raw(out, at, " tid=");
  at = put_u64(out.room(at, kNumberRoom), entry.thread.tid);
  at = put_raw(out, at, " seq=");
  at = put_u64(out.room(at, kNumberRoom), entry.sequence);
  const RecordHeader header = record.header();
  if (header.has(kLate)) at = put_raw(out, at, " late=true");
  if (header.has(kBacktrace)) at = put_raw(out, at, " backtrace=true");
  if (header.has(kAfterGap)) at = put_raw(out, at, " gap=true");
  return out.end_record(put_raw(out, at, "\n"));
}

}  // namespace sluice
