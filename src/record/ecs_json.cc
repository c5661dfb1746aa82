#include "record/ecs_json.h"

#include "record/trace_ids.h"
#include "record/value_text.h"

namespace sluice {
namespace {

// `key` with its comma, quotes and colon; nothing without a value.
char* put_text(TextBuffer& out, char* at, std::string_view key, std::string_view value) {
  if (value.empty()) return at;
  at = put_raw(out, at, key);
  return put_json_string(out, at, value);
}

char* put_number(TextBuffer& out, char* at, std::string_view key, u64 value) {
  at = put_raw(out, at, key);
  return put_u64(out.room(at, kNumberRoom), value);
}

std::string service_text(const RunInfo& run) {
  return rendered([&](TextBuffer& out, char* at) {
    if (run.pid != 0) at = put_number(out, at, R"(,"process.pid":)", run.pid);
    at = put_text(out, at, R"(,"service.name":)", run.product);
    at = put_text(out, at, R"(,"service.version":)", run.version);
    at = put_text(out, at, R"(,"service.node.name":)", run.run_id);
    return put_text(out, at, R"(,"host.name":)", run.host);
  });
}

}  // namespace

EcsJson::Line::Line(const Site& site)
    : message(site, TextForm::kJson, MessagePlan::Fields::kOmit), fields(site) {
  level = R"(","log.level":")" + std::string(level_name(site.level)) + R"(","message":")";
  origin = rendered([&](TextBuffer& out, char* at) {
    at = put_text(out, at, R"(,"log.origin.file.name":)", site.file);
    if (!site.file.empty()) at = put_number(out, at, R"(,"log.origin.file.line":)", site.line);
    return put_text(out, at, R"(,"log.origin.function":)", site.function);
  });
}

char* EcsJson::put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  if (site.kind == RecordKind::kEvent) {
    return put_text(out, at, R"(,"event.action":)", record.name());
  }
  at = put_text(out, at, R"(,"sluice.kind":)", kind_name(site.kind));
  if (site.kind == RecordKind::kState) {
    at = put_raw(out, at, R"(,"sluice.patch":)");
    return line.fields.put_json(out, at, record);
  }
  at = put_text(out, at, R"(,"sluice.name":)", record.name());
  if (site.kind != RecordKind::kMetric) return at;
  if (record.first_visible() < record.arguments()) {
    at = put_raw(out, at, R"(,"sluice.value":)");
    at = put_json_value(out, at, record.value(record.first_visible()));
  }
  at = put_text(out, at, R"(,"sluice.unit":)", record.unit());
  return put_text(out, at, R"(,"sluice.metric":)", metric_name(site.metric));
}

bool EcsJson::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const RecordView& record = entry.record;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  if (entry.run != nullptr && (service_.empty() || run_ != entry.run->run_id)) {
    run_ = entry.run->run_id;
    service_ = service_text(*entry.run);
  }
  at = put_raw(out, at, R"({"@timestamp":")");
  at = time_.put(out.room(at, kNumberRoom), entry.wall_ns);
  at = put_raw(out, at, line.level);
  at = line.message.put(entry, out, at);
  at = put_raw(out, at, R"(","ecs.version":"8.11.0")");
  at = put_text(out, at, R"(,"log.logger":)", entry.logger);
  if (entry.site.kind != RecordKind::kLog) at = put_kind(line, entry, out, at);
  if (!line.fields.empty() && entry.site.kind != RecordKind::kState) {
    at = put_raw(out, at, R"(,"sluice.fields":)");
    at = line.fields.put_json(out, at, record);
  }
  if (!record.context().empty()) {
    const TraceIds ids = trace_ids(record.context());
    at = put_text(out, at, R"(,"trace.id":)", ids.trace);
    at = put_text(out, at, R"(,"span.id":)", ids.span);
    at = put_raw(out, at, R"(,"sluice.context":)");
    at = put_json_context(out, at, record.context());
  }
  at = put_raw(out, at, line.origin);
  at = put_number(out, at, R"(,"process.thread.id":)", entry.thread.tid);
  at = put_text(out, at, R"(,"process.thread.name":)", entry.thread.name);
  if (entry.run != nullptr) at = put_raw(out, at, service_);
  at = put_number(out, at, R"(,"event.sequence":)", entry.sequence);
  const RecordHeader header = record.header();
  if (header.has(kLate)) at = put_raw(out, at, R"(,"sluice.late":true)");
  if (header.has(kBacktrace)) at = put_raw(out, at, R"(,"sluice.backtrace":true)");
  if (header.has(kAfterGap)) at = put_raw(out, at, R"(,"sluice.gap":true)");
  return out.end_record(put_raw(out, at, "}\n"));
}

}  // namespace sluice
