#include "record/fields.h"

#include <algorithm>

#include "record/builtin.h"
#include "record/json_text.h"
#include "record/value_text.h"

namespace sluice {
namespace {

bool holds(const std::vector<std::string>& used, const std::string& key) {
  return std::find(used.begin(), used.end(), key) != used.end();
}

std::string unused_key(std::vector<std::string>& used, const std::string& key) {
  std::string candidate = key;
  for (u32 n = 2; holds(used, candidate); ++n) candidate = key + "_" + std::to_string(n);
  used.push_back(candidate);
  return candidate;
}

// How often a context field's name came before it, and so which suffix it gets: 0 for none.
u32 context_suffix(const FieldBlock& context, FieldBlock::Iterator field) {
  const std::string_view name = (*field).name;
  u32 suffix = 0;
  for (auto it = context.begin(); it != field; ++it) {
    if ((*it).name == name) suffix = suffix == 0 ? 2 : suffix + 1;
  }
  return suffix;
}

// True when some field is really called `name` + "_" + suffix.
bool suffix_taken(const FieldBlock& context, std::string_view name, u32 suffix) {
  char digits[kNumberRoom];
  const std::string_view number(digits, std::size_t(put_u64(digits, suffix) - digits));
  for (const ContextField& field : context) {
    const std::string_view other = field.name;
    if (other.size() == name.size() + 1 + number.size() && other.starts_with(name) &&
        other[name.size()] == '_' && other.ends_with(number)) {
      return true;
    }
  }
  return false;
}

// Calls put(field, suffix) for each field; the suffixes make all names differ.
template <class Put>
void each_context_field(const FieldBlock& context, Put&& put) {
  for (auto it = context.begin(); it != context.end(); ++it) {
    const ContextField field = *it;
    u32 suffix = context_suffix(context, it);
    // Steps by the number of fields, so that it stays apart from its own name's other suffixes.
    while (suffix != 0 && suffix_taken(context, field.name, suffix)) {
      suffix += FieldBlock::kFieldsMax;
    }
    put(field, suffix);
  }
}

char* put_suffix(TextBuffer& out, char* at, u32 suffix) {
  if (suffix == 0) return at;
  at = out.room(at, kNumberRoom);
  *at++ = '_';
  return put_u64(at, suffix);
}

// The members of valid JSON, each value as JSON.
void visit_json_object(std::string_view json, FieldVisitor& visitor) {
  JsonScanner scanner(json);
  (void)scanner.next();  // {
  while (scanner.next() == JsonScanner::Token::kKey) {
    const std::string_view key = scanner.token_text();
    const unsigned depth = scanner.depth();
    (void)scanner.next();
    const std::size_t begin = scanner.begin();
    while (scanner.depth() > depth) (void)scanner.next();
    const std::string_view value = json.substr(begin, scanner.end() - begin);
    visitor.field(key, {ArgType::kJson, value.size(), value});
  }
}

}  // namespace

std::string field_name(const Site& site, u32 argument) {
  const std::string& name = site.arguments[argument].name;
  if (!name.empty()) return name;
  return "arg" + std::to_string(argument - site.hidden_arguments());
}

FieldPlan::FieldPlan(const Site& site, std::span<const std::string_view> taken, u32 without) {
  u32 first = site.hidden_arguments();
  const u32 count = u32(site.arguments.size());
  const bool is_log = site.kind == RecordKind::kLog;
  const auto unnamed_json = [&](u32 i) {
    return site.arguments[i].name.empty() && site.arguments[i].type == ArgType::kJson;
  };
  if (site.kind == RecordKind::kMetric && first < count) ++first;  // the value
  first += without;
  if (is_log ? (site.flags & SiteFlag::kFieldsAreLastArg) != 0
             : count == first + 1 && unnamed_json(first)) {
    payload_ = int(count) - 1;
    return;
  }
  std::vector<std::string> json_used;
  std::vector<std::string> logfmt_used(taken.begin(), taken.end());
  for (u32 i = first; i < count; ++i) {
    if (is_log && site.arguments[i].name.empty()) continue;  // part of the message only
    const std::string name = field_name(site, i);
    const std::string json = unused_key(json_used, name);
    const std::string logfmt =
        rendered([&](TextBuffer& out, char* at) { return put_logfmt_key(out, at, name); });
    keys_.push_back({i, rendered([&](TextBuffer& out, char* at) {
                       at = put_json_string(out, at, json);
                       return put_raw(out, at, ":");
                     }),
                     " " + unused_key(logfmt_used, logfmt) + "=", is_shown_by_name(site, i)});
  }
}

Value FieldPlan::Key::value_in(const RecordView& record) const {
  return by_name ? shown_value(record, argument) : record.value(argument);
}

char* FieldPlan::put_json(TextBuffer& out, char* at, const RecordView& record) const {
  if (payload_ >= 0) {
    const Value value = record.value(u32(payload_));
    const bool object = is_json(value.text) && is_json_object(value.text);
    if (object) return put_json_line(out, at, value.text);
    at = put_raw(out, at, "{\"arg0\":");
    at = put_json_value(out, at, value);
    return put_raw(out, at, "}");
  }
  at = put_raw(out, at, "{");
  std::string_view comma;
  for (const Key& key : keys_) {
    at = put_raw(out, at, comma);
    at = put_raw(out, at, key.json);
    at = put_json_value(out, at, key.value_in(record));
    comma = ",";
  }
  return put_raw(out, at, "}");
}

void FieldPlan::visit(const RecordView& record, FieldVisitor& visitor) const {
  if (payload_ >= 0) {
    const Value value = record.value(u32(payload_));
    if (!is_json(value.text) || !is_json_object(value.text))
      return visitor.field("\"arg0\"", value);
    return visit_json_object(value.text, visitor);
  }
  for (const Key& key : keys_) {
    const std::string_view colon(key.json);
    visitor.field(colon.substr(0, colon.size() - 1), key.value_in(record));
  }
}

char* FieldPlan::put_logfmt(TextBuffer& out, char* at, const RecordView& record) const {
  if (payload_ >= 0) {
    at = put_raw(out, at, " payload=");
    return put_logfmt_value(out, at, record.value(u32(payload_)));
  }
  for (const Key& key : keys_) {
    at = put_raw(out, at, key.logfmt);
    at = put_logfmt_value(out, at, key.value_in(record));
  }
  return at;
}

char* FieldPlan::put_text(TextBuffer& out, char* at, const RecordView& record, u32 which) const {
  if (payload_ >= 0) {
    const Value value = record.value(u32(payload_));
    at = put_raw(out, at, " ");
    return is_json(value.text) ? put_json_line(out, at, value.text)
                               : put_escaped<TextForm::kText>(out, at, value.text);
  }
  for (const Key& key : keys_) {
    if ((which >> key.argument & 1) == 0) continue;
    at = put_raw(out, at, key.logfmt);
    at = put_logfmt_value(out, at, key.value_in(record));
  }
  return at;
}

char* put_json_context(TextBuffer& out, char* at, const FieldBlock& context,
                       std::string_view first) {
  at = put_raw(out, put_raw(out, at, "{"), first);
  std::string_view comma = first.empty() ? "" : ",";
  each_context_field(context, [&](const ContextField& field, u32 suffix) {
    at = put_raw(out, at, comma);
    at = put_raw(out, at, "\"");
    at = put_escaped<TextForm::kJson>(out, at, field.name);
    at = put_suffix(out, at, suffix);
    at = put_raw(out, at, "\":");
    at = put_json_value(out, at, field.value);
    comma = ",";
  });
  return put_raw(out, at, "}");
}

void visit_context(const FieldBlock& context, std::string_view prefix, FieldVisitor& visitor) {
  TextBuffer key;
  each_context_field(context, [&](const ContextField& field, u32 suffix) {
    key.clear();
    char* at = put_raw(key, key.begin_record(), "\"");
    at = put_raw(key, at, prefix);
    at = put_escaped<TextForm::kJson>(key, at, field.name);
    at = put_suffix(key, at, suffix);
    (void)key.end_record(put_raw(key, at, "\""));
    visitor.field(key.text(), field.value);
  });
}

char* put_logfmt_context(TextBuffer& out, char* at, const FieldBlock& context,
                         std::string_view prefix) {
  each_context_field(context, [&](const ContextField& field, u32 suffix) {
    at = put_raw(out, at, " ");
    at = put_raw(out, at, prefix);
    at = put_logfmt_key(out, at, field.name);
    at = put_suffix(out, at, suffix);
    at = put_raw(out, at, "=");
    at = put_logfmt_value(out, at, field.value);
  });
  return at;
}

}  // namespace sluice
