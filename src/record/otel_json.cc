#include "record/otel_json.h"

#include <charconv>
#include <limits>

#include "record/json_text.h"
#include "record/trace_ids.h"
#include "record/value_text.h"

namespace sluice {
namespace {

using Token = JsonScanner::Token;

char* put_string_value(TextBuffer& out, char* at, std::string_view text) {
  at = put_raw(out, at, R"({"stringValue":)");
  at = put_json_string(out, at, text);
  return put_raw(out, at, "}");
}

char* put_base64(TextBuffer& out, char* at, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  at = out.room(at, bytes.size() / 3 * 4 + 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    u32 group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? u8(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k) {
      *at++ = k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return at;
}

char* put_number(TextBuffer& out, char* at, std::string_view json) {
  i64 integer = 0;
  const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), integer);
  const bool is_integer = error == std::errc() && end == json.data() + json.size();
  at = put_raw(out, at, is_integer ? R"({"intValue":")" : R"({"doubleValue":)");
  at = put_raw(out, at, json);
  return put_raw(out, at, is_integer ? "\"}" : "}");
}

// Valid JSON, token by token: every value gets its wrapping where it begins and where it ends.
char* put_json_as_any(TextBuffer& out, char* at, std::string_view json) {
  JsonScanner scanner(json);
  bool member[kJsonDepthMax + 1] = {};  // a value of an object that is open at this depth
  bool behind[kJsonDepthMax + 1] = {};  // a value at this depth precedes
  bool keyed = false;
  const auto end_value = [&](char* to) {
    return member[scanner.depth()] ? put_raw(out, to, "}") : to;
  };
  for (Token token = scanner.next(); token != Token::kEnd; token = scanner.next()) {
    const std::string_view text = scanner.token_text();
    const unsigned depth = scanner.depth() - (token == Token::kOpen ? 1 : 0);
    if (token == Token::kClose) {
      at = put_raw(out, at, "]}}");
      at = end_value(at);
      continue;
    }
    if (!keyed) {
      if (behind[depth]) at = put_raw(out, at, ",");
      behind[depth] = true;
      member[depth] = token == Token::kKey;
    }
    keyed = token == Token::kKey;
    switch (token) {
      case Token::kKey:
        at = put_raw(out, at, R"({"key":)");
        at = put_json_line(out, at, text);
        at = put_raw(out, at, R"(,"value":)");
        continue;
      case Token::kOpen:
        behind[scanner.depth()] = false;
        at =
            put_raw(out, at,
                    text == "{" ? R"({"kvlistValue":{"values":[)" : R"({"arrayValue":{"values":[)");
        continue;
      case Token::kString:
        at = put_raw(out, at, R"({"stringValue":)");
        at = put_json_line(out, at, text);
        at = put_raw(out, at, "}");
        break;
      case Token::kNumber:
        at = put_number(out, at, text);
        break;
      default:  // a word: true, false, null
        at = put_raw(out, at, text == "null" ? "{" : R"({"boolValue":)");
        at = put_raw(out, at, text == "null" ? "}" : text);
        if (text != "null") at = put_raw(out, at, "}");
        break;
    }
    at = end_value(at);
  }
  return at;
}

char* put_wrapped(TextBuffer& out, char* at, std::string_view name, const Value& value,
                  std::string_view quote) {
  at = put_raw(out, at, name);
  at = put_raw(out, at, quote);
  at = put_json_value(out, at, value);
  at = put_raw(out, at, quote);
  return put_raw(out, at, "}");
}

// Writes {"key":...,"value":...} for each, with commas between.
class Attributes final : public FieldVisitor {
 public:
  Attributes(TextBuffer& out, char* at) : out_(out), at_(at) {}

  void field(std::string_view key, const Value& value) override {
    begin(key);
    at_ = put_any_value(out_, at_, value);
    at_ = put_raw(out_, at_, "}");
  }
  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    field(key, {ArgType::kString, value.size(), value});
  }
  void number(std::string_view key, u64 value) { field(key, {ArgType::kU64, value, {}}); }
  void mark(std::string_view key) { field(key, {ArgType::kBool, 1, {}}); }
  void json(std::string_view key, std::string_view value) {
    field(key, {ArgType::kJson, value.size(), value});
  }
  void raw(std::string_view attributes) {
    if (attributes.empty()) return;
    at_ = put_raw(out_, at_, comma_);
    at_ = put_raw(out_, at_, attributes);
    comma_ = ",";
  }
  [[nodiscard]] char* end() const { return at_; }

 private:
  void begin(std::string_view key) {
    at_ = put_raw(out_, at_, comma_);
    at_ = put_raw(out_, at_, R"({"key":)");
    at_ = put_json_line(out_, at_, key);
    at_ = put_raw(out_, at_, R"(,"value":)");
    comma_ = ",";
  }
  TextBuffer& out_;
  char* at_;
  std::string_view comma_;
};

template <class Fill>
std::string attributes_text(Fill&& fill) {
  TextBuffer out;
  Attributes attributes(out, out.begin_record());
  fill(attributes);
  (void)out.end_record(attributes.end());
  return std::string(out.text());
}

std::string resource_text(const RunInfo& run) {
  return attributes_text([&](Attributes& to) {
    to.text(R"("service.name")", run.product);
    to.text(R"("service.version")", run.version);
    to.text(R"("service.instance.id")", run.run_id);
    to.text(R"("host.name")", run.host);
    if (run.pid != 0) to.number(R"("process.pid")", run.pid);
  });
}

void add_kind(const Entry& entry, const FieldPlan& fields, Attributes& to) {
  const Site& site = entry.site;
  const RecordView& record = entry.record;
  if (site.kind == RecordKind::kLog || site.kind == RecordKind::kEvent) return;
  to.text(R"("sluice.kind")", kind_name(site.kind));
  if (site.kind == RecordKind::kState) {
    TextBuffer patch;
    (void)patch.end_record(fields.put_json(patch, patch.begin_record(), record));
    to.json(R"("sluice.patch")", patch.text());
    return;
  }
  to.text(R"("sluice.name")", record.name());
  if (site.kind != RecordKind::kMetric) return;
  if (record.first_visible() < record.arguments()) {
    to.field(R"("sluice.value")", record.value(record.first_visible()));
  }
  to.text(R"("sluice.unit")", record.unit());
  to.text(R"("sluice.metric")", metric_name(site.metric));
}

}  // namespace

char* put_any_value(TextBuffer& out, char* at, const Value& value) {
  switch (value.type) {
    case ArgType::kBool:
      return put_wrapped(out, at, R"({"boolValue":)", value, "");
    case ArgType::kI32:
    case ArgType::kU32:
    case ArgType::kI64:
      return put_wrapped(out, at, R"({"intValue":)", value, "\"");
    case ArgType::kU64: {
      const bool fits = value.word <= u64(std::numeric_limits<i64>::max());
      return put_wrapped(out, at, fits ? R"({"intValue":)" : R"({"stringValue":)", value, "\"");
    }
    case ArgType::kF32:
    case ArgType::kF64:
    case ArgType::kDuration:
      return put_wrapped(out, at, R"({"doubleValue":)", value, "");
    case ArgType::kBytes:
      at = put_raw(out, at, R"({"bytesValue":")");
      at = put_base64(out, at, value.text);
      return put_raw(out, at, "\"}");
    case ArgType::kJson:
      return is_json(value.text) ? put_json_as_any(out, at, value.text)
                                 : put_string_value(out, at, value.text);
    default:
      return put_wrapped(out, at, R"({"stringValue":)", value, "");
  }
}

OtelJson::Line::Line(const Site& site)
    : message(site, TextForm::kJson, MessagePlan::Fields::kOmit), fields(site) {
  severity = R"("severityNumber":)" + std::to_string(u32(site.level)) + R"(,"severityText":")" +
             std::string(level_name(site.level)) + '"';
  code = attributes_text([&](Attributes& to) {
    to.text(R"("code.file.path")", site.file);
    if (!site.file.empty()) to.number(R"("code.line.number")", site.line);
    to.text(R"("code.function.name")", site.function);
  });
}

bool OtelJson::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const RecordView& record = entry.record;
  const Line& line =
      lines_.of(entry.site, [](const Site& site) { return std::make_unique<Line>(site); });
  if (entry.run != nullptr && (resource_.empty() || run_ != entry.run->run_id)) {
    run_ = entry.run->run_id;
    resource_ = resource_text(*entry.run);
  }
  at = put_raw(out, at, R"({"resourceLogs":[{"resource":{"attributes":[)");
  if (entry.run != nullptr) at = put_raw(out, at, resource_);
  at = put_raw(out, at, R"(]},"scopeLogs":[{"scope":{"name":)");
  at = put_json_string(out, at, entry.logger);
  at = put_raw(out, at, R"(},"logRecords":[{"timeUnixNano":")");
  at = put_u64(out.room(at, kNumberRoom), entry.wall_ns > 0 ? u64(entry.wall_ns) : 0);
  at = put_raw(out, at, "\",");
  at = put_raw(out, at, line.severity);
  if (entry.site.kind == RecordKind::kEvent) {
    at = put_raw(out, at, R"(,"eventName":)");
    at = put_json_string(out, at, record.name());
  }
  if (const TraceIds ids = trace_ids(record.context()); !ids.empty()) {
    at = put_raw(out, at, R"(,"traceId":")");
    at = put_raw(out, at, ids.trace);
    at = put_raw(out, at, R"(","spanId":")");
    at = put_raw(out, at, ids.span);
    at = put_raw(out, at, R"(","flags":)");
    at = put_u64(out.room(at, kNumberRoom), ids.flags);
  }
  at = put_raw(out, at, R"(,"body":{"stringValue":")");
  at = line.message.put(entry, out, at);
  at = put_raw(out, at, R"("},"attributes":[)");
  Attributes attributes(out, at);
  if (entry.site.kind != RecordKind::kState) line.fields.visit(record, attributes);
  visit_context(record.context(), "context.", attributes);
  add_kind(entry, line.fields, attributes);
  attributes.raw(line.code);
  attributes.number(R"("thread.id")", entry.thread.tid);
  attributes.text(R"("thread.name")", entry.thread.name);
  attributes.number(R"("sluice.seq")", entry.sequence);
  const RecordHeader header = record.header();
  if (header.has(kLate)) attributes.mark(R"("sluice.late")");
  if (header.has(kBacktrace)) attributes.mark(R"("sluice.backtrace")");
  if (header.has(kAfterGap)) attributes.mark(R"("sluice.gap")");
  return out.end_record(put_raw(out, attributes.end(), "]}]}]}]}\n"));
}

}  // namespace sluice
