#include "record/escape.h"

namespace sluice {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr std::size_t kEscapeBytesMax = 6;  // \u001b, for one byte of input

char* put_hex_digits(char* at, u32 value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) *at++ = kHex[value >> shift & 15];
  return at;
}

char* put_u_escape(char* at, u32 code_point) {
  *at++ = '\\';
  *at++ = 'u';
  return put_hex_digits(at, code_point, 4);
}

template <TextForm form>
char* put_x_escape(char* at, u8 byte) {
  if constexpr (form == TextForm::kJson) *at++ = '\\';
  *at++ = '\\';
  *at++ = 'x';
  return put_hex_digits(at, byte, 2);
}

template <TextForm form>
char* put_ascii(char* at, u8 byte) {
  if constexpr (form == TextForm::kStored) {
    if (byte == 0) return put_x_escape<form>(at, byte);
    *at++ = char(byte);
    return at;
  }
  constexpr bool json = form == TextForm::kJson;
  char letter = 0;
  switch (byte) {
    case '\n':
      letter = 'n';
      break;
    case '\t':
      letter = 't';
      break;
    case '\r':
      letter = 'r';
      break;
    case '\b':
      letter = json ? 'b' : char(0);
      break;
    case '\f':
      letter = json ? 'f' : char(0);
      break;
    case '"':
      letter = json ? '"' : char(0);
      break;
    case '\\':
      letter = json ? '\\' : char(0);
      break;
    default:
      break;
  }
  if (letter != 0) {
    *at++ = '\\';
    *at++ = letter;
    return at;
  }
  if (byte >= 0x20 && byte != 0x7f) {
    *at++ = char(byte);
    return at;
  }
  return json ? put_u_escape(at, byte) : put_x_escape<form>(at, byte);
}

bool is_continuation(char c) { return (u8(c) & 0xc0) == 0x80; }

}  // namespace

std::size_t decode_utf8(std::string_view text, u32& code_point) {
  const u8 first = u8(text[0]);
  if (first < 0x80) {
    code_point = first;
    return 1;
  }
  std::size_t length = 0;
  u32 least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2;
    least = 0x80;
    code_point = first & 0x1fu;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3;
    least = 0x800;
    code_point = first & 0x0fu;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4;
    least = 0x10000;
    code_point = first & 0x07u;
  }
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
    code_point = code_point << 6 | (u8(text[i]) & 0x3fu);
  }
  const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
  return code_point < least || code_point > 0x10ffff || surrogate ? 0 : length;
}

bool is_unsafe_code_point(u32 c) {
  return (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
         c == 0x200e || c == 0x200f || c == 0x061c;
}

template <TextForm form>
char* internal::put_escaped_slow(TextBuffer& out, char* at, std::string_view text) {
  at = out.room(at, text.size() * kEscapeBytesMax);
  while (!text.empty()) {
    const u8 first = u8(text[0]);
    std::size_t length = 1;
    if (first < 0x80) {
      at = put_ascii<form>(at, first);
    } else {
      u32 code_point = 0;
      length = decode_utf8(text, code_point);
      if (length == 0) {
        length = 1;
        at = put_x_escape<form>(at, first);
      } else if (form != TextForm::kStored && is_unsafe_code_point(code_point)) {
        at = put_u_escape(at, code_point);
      } else {
        std::memcpy(at, text.data(), length);
        at += length;
      }
    }
    text.remove_prefix(length);
    const std::size_t clean = copy_clean<form>(at, text.data(), text.size());
    at += clean;
    text.remove_prefix(clean);
  }
  return at;
}

template char* internal::put_escaped_slow<TextForm::kText>(TextBuffer&, char*, std::string_view);
template char* internal::put_escaped_slow<TextForm::kJson>(TextBuffer&, char*, std::string_view);
template char* internal::put_escaped_slow<TextForm::kStored>(TextBuffer&, char*, std::string_view);

std::string escaped(TextForm form, std::string_view text) {
  TextBuffer out;
  char* const begin = out.begin_record();
  (void)out.end_record(put_escaped(form, out, begin, text));
  return std::string(out.text());
}

}  // namespace sluice
