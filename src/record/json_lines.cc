#include "record/json_lines.h"

#include "record/value_text.h"

namespace sluice {
namespace {

std::string json_string(std::string_view text) {
  return '"' + escaped(TextForm::kJson, text) + '"';
}

}  // namespace

JsonLines::Line::Line(const Site& site)
    : message(site, TextForm::kJson, MessagePlan::Fields::kOmit), fields(site) {
  before_logger = R"(","level":")" + std::string(level_name(site.level)) + R"(","logger":")";
  if ((site.flags & SiteFlag::kLoggerIsFirstArg) == 0) {
    before_message = escaped(TextForm::kJson, site.logger);
  }
  before_message += R"(","msg":")";
  if (site.kind != RecordKind::kLog) {
    kind = R"(,"kind":")" + std::string(kind_name(site.kind)) + '"';
    if (site.kind == RecordKind::kEvent) {
      kind += R"(,"event":)";
    } else if (site.kind != RecordKind::kState) {
      kind += R"(,"name":)";
    }
  }
  const std::string where = source_of(site);
  if (!where.empty()) source = R"(,"source":)" + json_string(where);
}

char* JsonLines::put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  at = put_raw(out, at, line.kind);
  if (site.kind == RecordKind::kState) {
    at = put_raw(out, at, R"(,"patch":)");
    return line.fields.has_payload() ? put_json_value(out, at, record.value(record.first_visible()))
                                     : line.fields.put_json(out, at, record);
  }
  at = put_json_string(out, at, record.name());
  if (site.kind != RecordKind::kMetric) return at;
  if (record.first_visible() < record.arguments()) {
    at = put_raw(out, at, R"(,"value":)");
    at = put_json_value(out, at, record.value(record.first_visible()));
  }
  if (!record.unit().empty()) {
    at = put_raw(out, at, R"(,"unit":)");
    at = put_json_string(out, at, record.unit());
  }
  at = put_raw(out, at, R"(,"metric":)");
  return put_json_string(out, at, metric_name(site.metric));
}

bool JsonLines::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const RecordView& record = entry.record;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  at = put_raw(out, at, R"({"ts":")");
  at = time_.put(out.room(at, kNumberRoom), entry.wall_ns);
  at = put_raw(out, at, line.before_logger);
  if (entry.site.flags & SiteFlag::kLoggerIsFirstArg) {
    at = put_escaped<TextForm::kJson>(out, at, entry.logger);
  }
  at = put_raw(out, at, line.before_message);
  at = line.message.put(entry, out, at);
  at = put_raw(out, at, "\"");
  const bool is_state = entry.site.kind == RecordKind::kState;
  if (entry.site.kind != RecordKind::kLog) at = put_kind(line, entry, out, at);
  if (!line.fields.empty() && !is_state) {
    at = put_raw(out, at, R"(,"fields":)");
    at = line.fields.put_json(out, at, record);
  }
  if (!record.context().empty()) {
    at = put_raw(out, at, R"(,"context":)");
    at = put_json_context(out, at, record.context());
  }
  at = put_raw(out, at, line.source);
  if (!entry.thread.name.empty()) {
    at = put_raw(out, at, R"(,"thread":)");
    at = put_json_string(out, at, entry.thread.name);
  }
  at = put_raw(out, at, R"(,"tid":)");
  at = put_u64(out.room(at, kNumberRoom), entry.thread.tid);
  at = put_raw(out, at, R"(,"seq":)");
  at = put_u64(out.room(at, kNumberRoom), entry.sequence);
  const RecordHeader header = record.header();
  if (header.has(kLate)) at = put_raw(out, at, R"(,"late":true)");
  if (header.has(kBacktrace)) at = put_raw(out, at, R"(,"backtrace":true)");
  if (header.has(kAfterGap)) at = put_raw(out, at, R"(,"gap":true)");
  if (options_.run && entry.run != nullptr) {
    at = put_raw(out, at, R"(,"run":)");
    at = put_json_string(out, at, entry.run->run_id);
  }
  return out.end_record(put_raw(out, at, "}\n"));
}

}  // namespace sluice
