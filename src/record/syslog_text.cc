#include "record/syslog_text.h"

#include <algorithm>

#include "record/severity.h"
#include "record/value_text.h"

namespace sluice {
namespace {

// RFC 5424, 6: the longest that each may be.
constexpr std::size_t kHostMax = 255, kAppMax = 48, kProcessMax = 128, kMessageIdMax = 32;
constexpr std::size_t kNameMax = 32;

bool is_printable(char c) { return c > ' ' && c < 0x7f; }

char* put_header_field(TextBuffer& out, char* at, std::string_view text, std::size_t longest) {
  text = text.substr(0, longest);
  at = out.room(at, text.size() + 2);
  *at++ = ' ';
  if (text.empty()) *at++ = '-';
  for (char c : text) *at++ = is_printable(c) ? c : '_';
  return at;
}

// One element of structured data; nothing without a parameter.
class Element final : public FieldVisitor {
 public:
  Element(std::string_view id, TextBuffer& out, char* at) : id_(id), out_(out), at_(at) {}

  void field(std::string_view key, const Value& value) override {
    value_.clear();
    char* const begin = value_.begin_record();
    (void)value_.end_record(value.type == ArgType::kJson
                                ? put_json_value(value_, begin, value)
                                : put_value(TextForm::kText, value_, begin, value));
    put(key.substr(1, key.size() - 2), value_.text());
  }
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) put(name, escaped(TextForm::kText, value));
  }
  void number(std::string_view name, u64 value) { put(name, std::to_string(value)); }
  [[nodiscard]] char* end() { return used_ ? put_raw(out_, at_, "]") : at_; }

 private:
  void put(std::string_view name, std::string_view safe) {
    if (!used_) at_ = put_raw(out_, at_, id_);
    used_ = true;
    name = name.substr(0, kNameMax);
    at_ = out_.room(at_, name.size() + 2 * safe.size() + 5);
    *at_++ = ' ';
    if (name.empty()) *at_++ = '_';
    for (char c : name) {
      *at_++ = is_printable(c) && c != '=' && c != ']' && c != '"' ? c : '_';
    }
    *at_++ = '=';
    *at_++ = '"';
    for (char c : safe) {
      if (c == '"' || c == '\\' || c == ']') *at_++ = '\\';
      *at_++ = c;
    }
    *at_++ = '"';
  }

  const std::string_view id_;
  TextBuffer& out_;
  char* at_;
  TextBuffer value_;
  bool used_ = false;
};

}  // namespace

SyslogText::Line::Line(const Site& site)
    : message(site, TextForm::kText, MessagePlan::Fields::kOmit), fields(site) {}

char* SyslogText::put_header(const Entry& entry, TextBuffer& out, char* at) {
  static const RunInfo kNoRun;
  const RunInfo& run = entry.run != nullptr ? *entry.run : kNoRun;
  at = put_raw(out, at, "<");
  at = put_u64(out.room(at, kNumberRoom), facility_ * 8u + syslog_severity(entry.site.level));
  at = put_raw(out, at, ">1 ");
  char time[kNumberRoom];
  (void)time_.put(time, entry.wall_ns);
  at = put_raw(out, at, {time, 26});  // down to microseconds
  at = put_raw(out, at, "Z");
  at = put_header_field(out, at, run.host, kHostMax);
  at = put_header_field(out, at, run.product, kAppMax);
  at = put_header_field(out, at, run.pid == 0 ? std::string() : std::to_string(run.pid),
                        kProcessMax);
  const bool named = entry.site.kind != RecordKind::kLog && entry.site.kind != RecordKind::kState;
  return put_header_field(out, at, named ? entry.record.name() : std::string_view(), kMessageIdMax);
}

char* SyslogText::put_own_data(const Entry& entry, const FieldPlan& fields, TextBuffer& out,
                               char* at) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  Element own("[sluice@32473", out, at);
  own.text("level", level_name(site.level));
  own.number("seq", entry.sequence);
  own.number("tid", entry.thread.tid);
  own.text("thread", entry.thread.name);
  own.text("logger", entry.logger);
  own.text("source", source_of(site));
  if (entry.run != nullptr) own.text("run", entry.run->run_id);
  if (site.kind != RecordKind::kLog) own.text("kind", kind_name(site.kind));
  if (site.kind == RecordKind::kState) {
    TextBuffer patch;
    (void)patch.end_record(fields.put_json(patch, patch.begin_record(), record));
    own.text("patch", patch.text());
  } else if (site.kind != RecordKind::kLog) {
    own.text("name", record.name());
  }
  if (site.kind == RecordKind::kMetric) {
    if (record.first_visible() < record.arguments()) {
      own.field("\"value\"", record.value(record.first_visible()));
    }
    own.text("unit", record.unit());
    own.text("metric", metric_name(site.metric));
  }
  const RecordHeader header = record.header();
  if (header.has(kLate)) own.text("late", "true");
  if (header.has(kBacktrace)) own.text("backtrace", "true");
  if (header.has(kAfterGap)) own.text("gap", "true");
  return own.end();
}

bool SyslogText::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  at = put_header(entry, out, at);
  at = put_raw(out, at, " ");
  at = put_own_data(entry, line.fields, out, at);
  if (entry.site.kind != RecordKind::kState) {
    Element fields("[fields@32473", out, at);
    line.fields.visit(entry.record, fields);
    at = fields.end();
  }
  Element context("[context@32473", out, at);
  visit_context(entry.record.context(), {}, context);
  at = put_raw(out, context.end(), " ");
  return out.end_record(line.message.put(entry, out, at));
}

}  // namespace sluice
