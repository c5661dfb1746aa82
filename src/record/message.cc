#include "record/message.h"

#include <algorithm>
#include <bit>

#include "record/json_text.h"
#include "record/message_parse.h"
#include "record/value_text.h"

namespace sluice {
MessagePlan::MessagePlan(const Site& site, TextForm form, Fields fields)
    : site_(site), form_(form), mode_(fields), builtin_(is_builtin(site)), fields_(site) {
  const auto literal = [&](Part& part, std::string_view text) {
    const std::string safe = escaped(form, text);
    part.literal_at = u32(literals_.size());
    part.literal_bytes = u32(safe.size());
    literals_ += safe;
  };
  const auto step = [](ArgType type) {
    switch (type) {
      case ArgType::kI32:
      case ArgType::kI64:
        return Step::kI64;
      case ArgType::kU32:
      case ArgType::kU64:
        return Step::kU64;
      case ArgType::kF64:
        return Step::kF64;
      case ArgType::kString:
        return Step::kText;
      default:
        return Step::kOther;
    }
  };
  if (site.kind == RecordKind::kLog) {
    ParsedMessage parsed = parse_message(site);
    for (MessageField& field : parsed.fields) {
      Part& part = parts_.emplace_back();
      literal(part, field.literal);
      if (field.argument < 0) continue;
      part.argument = u8(field.argument);
      part.step = step(site.arguments[part.argument].type);
      if (field.plain) continue;
      part.step = field.fits ? Step::kSpec : Step::kMisfit;
      part.spec = u16(specs_.size());
      field.spec.source = escaped(form, field.spec.source);
      specs_.push_back(std::move(field.spec));
    }
    for (u32 i = site.hidden_arguments(); i < site.arguments.size(); ++i) {
      if (parsed.used >> i & 1) continue;
      const bool all_fields =
          (site.flags & SiteFlag::kFieldsAreLastArg) && i + 1 == site.arguments.size();
      if (all_fields || !site.arguments[i].name.empty()) {
        unused_ |= u32{1} << i;
        continue;
      }
      parts_.push_back({0, 0, Step::kExtra, u8(i), 0});
    }
  } else {
    parts_.push_back({0, 0, Step::kName, 0, 0});
    const u32 first = site.hidden_arguments();
    if (site.kind == RecordKind::kMetric && first < site.arguments.size()) {
      Part& value = parts_.emplace_back();
      literal(value, "=");
      value.argument = u8(first);
      value.step = step(site.arguments[first].type);
      Part& unit = parts_.emplace_back();
      if (site.flags & SiteFlag::kUnitIsNextArg) {
        unit.step = Step::kUnit;
      } else if (!site.unit.empty()) {
        literal(unit, " " + site.unit);
      }
    }
    unused_ = ~u32{0};
  }
  literals_.append(kWideCopyBytes, '\0');
}

template <TextForm form>
char* MessagePlan::put_parts(const RecordView& record, TextBuffer& out, char* at) const {
  const char* const literals = literals_.data();
  for (const Part& part : parts_) {
    at = out.room(at, part.literal_bytes + kNumberRoom);
    at = copy_wide(at, literals + part.literal_at, part.literal_bytes);
    switch (part.step) {
      case Step::kNothing:
        break;
      case Step::kI64:
        at = put_i64(at, i64(record.word(part.argument)));
        break;
      case Step::kU64:
        at = put_u64(at, record.word(part.argument));
        break;
      case Step::kF64:
        at = put_f64(at, std::bit_cast<double>(record.word(part.argument)));
        break;
      case Step::kText:
        at = put_escaped<form>(out, at, record.text(part.argument));
        break;
      default:
        at = put_rare(part, record, out, at);
        break;
    }
  }
  return at;
}

char* MessagePlan::put_rare(const Part& part, const RecordView& record, TextBuffer& out,
                            char* at) const {
  switch (part.step) {
    case Step::kSpec:
      return specs_[part.spec].put(form_, out, at, record);
    case Step::kMisfit:
      return put_misfit(form_, out, at, specs_[part.spec].source, record.value(part.argument));
    case Step::kName:
      return put_escaped(form_, out, at, record.name());
    case Step::kUnit:
      if (record.unit().empty()) return at;
      return put_escaped(form_, out, put_raw(out, at, " "), record.unit());
    case Step::kExtra:
      return put_misfit(form_, out, at, " ", record.value(part.argument));
    default:
      return put_value(form_, out, at, record.value(part.argument));
  }
}

char* MessagePlan::put_state(const Entry& entry, TextBuffer& out, char* at) const {
  at = put_raw(out, at, "state");
  if (entry.record.header().has(kAfterGap)) at = put_raw(out, at, " (gap)");
  if (mode_ == Fields::kOmit) return at;
  at = put_raw(out, at, " ");
  return fields_.put_json(out, at, entry.record);
}

char* MessagePlan::put(const Entry& entry, TextBuffer& out, char* at) const {
  const RecordView& record = entry.record;
  if (builtin_) return put_builtin_message(form_, entry, out, at);
  if (site_.kind == RecordKind::kState) {
    at = put_state(entry, out, at);
  } else {
    switch (form_) {
      case TextForm::kText:
        at = put_parts<TextForm::kText>(record, out, at);
        break;
      case TextForm::kJson:
        at = put_parts<TextForm::kJson>(record, out, at);
        break;
      case TextForm::kStored:
        at = put_parts<TextForm::kStored>(record, out, at);
        break;
    }
    if (mode_ == Fields::kAppend && unused_ != 0) at = fields_.put_text(out, at, record, unused_);
  }
  if (mode_ == Fields::kOmit || record.context().empty()) return at;
  return put_logfmt_context(out, at, record.context(), {});
}

std::string_view MessageText::of(const Entry& entry) {
  const MessagePlan& plan = plans_.of(entry.site, [](const Site& site) {
    return std::make_unique<MessagePlan>(site, TextForm::kText, MessagePlan::Fields::kAppend);
  });
  text_.clear();
  char* const begin = text_.begin_record();
  (void)text_.end_record(plan.put(entry, text_, begin));
  return text_.text();
}

}  // namespace sluice
