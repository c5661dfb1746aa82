#include "record/value_text.h"

#include <bit>
#include <cmath>

#include "record/json_text.h"
#include "record/time_text.h"

namespace sluice {
namespace {

char* put_bytes(TextBuffer& out, char* at, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  at = out.room(at, bytes.size() * 2);
  for (char c : bytes) {
    *at++ = kHex[u8(c) >> 4];
    *at++ = kHex[u8(c) & 15];
  }
  return at;
}

// Types without a tail and without need of an escape.
char* put_word(char* at, const Value& value) {
  switch (value.type) {
    case ArgType::kBool:
      std::memcpy(at, value.word != 0 ? "true " : "false", 5);
      return at + (value.word != 0 ? 4 : 5);
    case ArgType::kI32:
    case ArgType::kI64:
      return put_i64(at, i64(value.word));
    case ArgType::kU32:
    case ArgType::kU64:
      return put_u64(at, value.word);
    case ArgType::kF32:
      return put_f32(at, std::bit_cast<float>(u32(value.word)));
    case ArgType::kF64:
      return put_f64(at, std::bit_cast<double>(value.word));
    case ArgType::kPointer:
      std::memcpy(at, "0x", 2);
      return put_hex(at + 2, value.word);
    case ArgType::kTimestamp:
      return put_time(at, i64(value.word));
    case ArgType::kDuration:
      return put_duration(at, i64(value.word));
    default:
      return at;
  }
}

char* put_quoted(TextBuffer& out, char* at, std::string_view text) {
  at = put_raw(out, at, "\"");
  at = put_escaped<TextForm::kJson>(out, at, text);
  return put_raw(out, at, "\"");
}

// What JSON has no number for; empty when there is one.
std::string_view special_number(const Value& value) {
  double number = 0;
  if (value.type == ArgType::kF64) number = std::bit_cast<double>(value.word);
  if (value.type == ArgType::kF32) number = double(std::bit_cast<float>(u32(value.word)));
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return {};
}

bool is_bare(std::string_view text) {
  for (char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '=' || c == '"' || c == '\\') return false;
  }
  return !text.empty();
}

}  // namespace

char* put_value(TextForm form, TextBuffer& out, char* at, const Value& value) {
  switch (value.type) {
    case ArgType::kString:
    case ArgType::kJson:
      return put_escaped(form, out, at, value.text);
    case ArgType::kBytes:
      return put_bytes(out, at, value.text);
    case ArgType::kChar: {
      const char c = char(value.word);
      return put_escaped(form, out, at, {&c, 1});
    }
    default:
      return put_word(out.room(at, kNumberRoom), value);
  }
}

char* put_json_value(TextBuffer& out, char* at, const Value& value) {
  switch (value.type) {
    case ArgType::kString:
      return put_quoted(out, at, value.text);
    case ArgType::kJson:
      return is_json(value.text) ? put_json_line(out, at, value.text)
                                 : put_quoted(out, at, value.text);
    case ArgType::kDuration:
      return put_seconds(out.room(at, kNumberRoom), i64(value.word));
    case ArgType::kF32:
    case ArgType::kF64:
      if (const auto name = special_number(value); !name.empty()) return put_quoted(out, at, name);
      break;
    case ArgType::kChar:
    case ArgType::kBytes:
    case ArgType::kPointer:
    case ArgType::kTimestamp:
      at = put_raw(out, at, "\"");
      at = put_value(TextForm::kJson, out, at, value);
      return put_raw(out, at, "\"");
    default:
      break;
  }
  return put_word(out.room(at, kNumberRoom), value);
}

char* put_logfmt_text(TextBuffer& out, char* at, std::string_view text) {
  return is_bare(text) ? put_raw(out, at, text) : put_quoted(out, at, text);
}

char* put_logfmt_value(TextBuffer& out, char* at, const Value& value) {
  switch (value.type) {
    case ArgType::kString:
    case ArgType::kJson:
      return put_logfmt_text(out, at, value.text);
    case ArgType::kChar: {
      const char c = char(value.word);
      return put_logfmt_text(out, at, {&c, 1});
    }
    default:
      return put_value(TextForm::kText, out, at, value);
  }
}

char* put_logfmt_key(TextBuffer& out, char* at, std::string_view key) {
  if (key.empty()) return put_raw(out, at, "_");
  at = out.room(at, key.size());
  for (char c : key) {
    const std::string_view one(&c, 1);
    *at++ = is_bare(one) ? c : '_';
  }
  return at;
}

char* put_json_string(TextBuffer& out, char* at, std::string_view text) {
  return put_quoted(out, at, text);
}

}  // namespace sluice
