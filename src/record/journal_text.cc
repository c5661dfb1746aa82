#include "record/journal_text.h"

#include <algorithm>

#include "record/severity.h"
#include "record/value_text.h"

namespace sluice {
namespace {

constexpr std::size_t kNameMax = 64;  // journald refuses longer ones
constexpr std::string_view kOwn[] = {"MESSAGE",   "PRIORITY",   "CODE_FILE", "CODE_LINE",
                                     "CODE_FUNC", "MESSAGE_ID", "ERRNO",     "TID"};
constexpr std::string_view kOwnPrefixes[] = {"SYSLOG_", "SLUICE_", "CONTEXT_",
                                             "FIELD_",  "OBJECT_", "INVOCATION_"};

bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }

char name_byte(char c) {
  if (c >= 'a' && c <= 'z') return char(c - 'a' + 'A');
  return is_letter(c) || (c >= '0' && c <= '9') ? c : '_';
}

class Fields final : public FieldVisitor {
 public:
  Fields(TextBuffer& out, char* at, TextBuffer& value) : out_(out), at_(at), value_(value) {}

  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) put(name, value);
  }
  void number(std::string_view name, u64 value) { put(name, std::to_string(value)); }
  void value(std::string_view name, const Value& of) {
    if (of.type == ArgType::kString) return put(name, of.text);
    value_.clear();
    char* const begin = value_.begin_record();
    (void)value_.end_record(of.type == ArgType::kJson
                                ? put_json_value(value_, begin, of)
                                : put_value(TextForm::kText, value_, begin, of));
    put(name, value_.text());
  }
  void field(std::string_view key, const Value& of) override {
    std::string name = prefix_;
    for (char c : key.substr(1, key.size() - 2)) name += name_byte(c);
    const auto leads = [&name](std::string_view prefix) { return name.starts_with(prefix); };
    const bool taken =
        std::ranges::find(kOwn, name) != std::end(kOwn) || std::ranges::any_of(kOwnPrefixes, leads);
    if (prefix_.empty() && (name.empty() || !is_letter(name[0]) || taken)) name = "FIELD_" + name;
    name.resize(std::min(name.size(), kNameMax));
    value(name, of);
  }
  void begin_context() { prefix_ = "CONTEXT_"; }
  [[nodiscard]] char* end() const { return at_; }

 private:
  void put(std::string_view name, std::string_view value) {
    at_ = put_raw(out_, at_, name);
    const bool plain = std::ranges::none_of(value, [](char c) { return u8(c) < ' '; });
    if (plain) {
      at_ = put_raw(out_, at_, "=");
    } else {
      at_ = put_raw(out_, at_, "\n");
      char size[8];
      for (unsigned i = 0; i < 8; ++i) size[i] = char(u64(value.size()) >> (8 * i));
      at_ = put_raw(out_, at_, {size, sizeof size});
    }
    at_ = put_raw(out_, at_, value);
    at_ = put_raw(out_, at_, "\n");
  }

  TextBuffer& out_;
  char* at_;
  TextBuffer& value_;
  std::string prefix_;
};

void put_kind(const Entry& entry, const FieldPlan& fields, Fields& to) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  if (site.kind == RecordKind::kLog) return;
  to.text("SLUICE_KIND", kind_name(site.kind));
  if (site.kind == RecordKind::kState) {
    TextBuffer patch;
    (void)patch.end_record(fields.put_json(patch, patch.begin_record(), record));
    to.text("SLUICE_PATCH", patch.text());
    return;
  }
  to.text("SLUICE_NAME", record.name());
  if (site.kind != RecordKind::kMetric) return;
  if (record.first_visible() < record.arguments()) {
    to.value("SLUICE_VALUE", record.value(record.first_visible()));
  }
  to.text("SLUICE_UNIT", record.unit());
  to.text("SLUICE_METRIC", metric_name(site.metric));
}

}  // namespace

JournalText::Line::Line(const Site& site)
    : message(site, TextForm::kText, MessagePlan::Fields::kOmit), fields(site) {}

bool JournalText::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  const Site& site = entry.site;
  const RecordHeader header = entry.record.header();
  at = put_raw(out, at, "MESSAGE=");
  at = line.message.put(entry, out, at);
  at = put_raw(out, at, "\n");
  Fields to(out, at, text_);
  to.number("PRIORITY", syslog_severity(site.level));
  to.number("SYSLOG_FACILITY", facility_);
  if (entry.run != nullptr) {
    to.text("SYSLOG_IDENTIFIER", entry.run->product);
    to.text("SLUICE_RUN", entry.run->run_id);
  }
  to.text("CODE_FILE", site.file);
  if (!site.file.empty()) to.number("CODE_LINE", site.line);
  to.text("CODE_FUNC", site.function);
  to.number("TID", entry.thread.tid);
  to.text("SLUICE_LEVEL", level_name(site.level));
  to.number("SLUICE_SEQ", entry.sequence);
  char time[kNumberRoom];
  to.text("SLUICE_TIME", {time, std::size_t(time_.put(time, entry.wall_ns) - time)});
  to.text("SLUICE_LOGGER", entry.logger);
  to.text("SLUICE_THREAD", entry.thread.name);
  if (header.has(kLate)) to.text("SLUICE_LATE", "true");
  if (header.has(kBacktrace)) to.text("SLUICE_BACKTRACE", "true");
  if (header.has(kAfterGap)) to.text("SLUICE_GAP", "true");
  put_kind(entry, line.fields, to);
  if (site.kind != RecordKind::kState) line.fields.visit(entry.record, to);
  to.begin_context();
  visit_context(entry.record.context(), {}, to);
  return out.end_record(to.end());
}

}  // namespace sluice
