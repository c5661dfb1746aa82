#include "record/json_text.h"

#include <algorithm>
#include <charconv>

#include "base/characters.h"
#include "record/escape.h"

namespace sluice {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

using Token = JsonScanner::Token;

Token JsonScanner::error() {
  failed_ = true;
  return Token::kError;
}

void JsonScanner::skip_space() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
}

Token JsonScanner::next() {
  if (failed_) return Token::kError;
  skip_space();
  begin_ = at_;
  const char c = peek();
  switch (expect_) {
    case Expect::kEnd:
      return at_ == text_.size() ? Token::kEnd : error();
    case Expect::kCommaOrClose:
      if (c != ',') return close(c);
      ++at_;
      expect_ = in_object() ? Expect::kKey : Expect::kValue;
      return next();
    case Expect::kKeyOrClose:
      if (c == '}') return close(c);
      [[fallthrough]];
    case Expect::kKey: {
      if (!string()) return error();
      const std::size_t key_end = at_;
      skip_space();
      if (peek() != ':') return error();
      colon_end_ = at_ + 1;
      at_ = key_end;
      expect_ = Expect::kColon;
      return Token::kKey;
    }
    case Expect::kColon:
      at_ = colon_end_;
      expect_ = Expect::kValue;
      return next();
    case Expect::kValueOrClose:
      if (c == ']') return close(c);
      [[fallthrough]];
    case Expect::kValue:
      return value();
  }
  return error();
}

Token JsonScanner::value() {
  const char c = peek();
  if (c == '{' || c == '[') {
    if (depth_ == kJsonDepthMax) return error();
    is_object_[depth_++] = c == '{';
    ++at_;
    expect_ = c == '{' ? Expect::kKeyOrClose : Expect::kValueOrClose;
    return Token::kOpen;
  }
  if (c == '"') return string() ? after_value(Token::kString) : error();
  if (c == '-' || is_digit(c)) return number() ? after_value(Token::kNumber) : error();
  for (std::string_view word : {"true", "false", "null"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return after_value(Token::kWord);
  }
  return error();
}

Token JsonScanner::close(char c) {
  if (depth_ == 0 || c != (in_object() ? '}' : ']')) return error();
  ++at_;
  --depth_;
  return after_value(Token::kClose);
}

Token JsonScanner::after_value(Token token) {
  expect_ = depth_ == 0 ? Expect::kEnd : Expect::kCommaOrClose;
  return token;
}

bool JsonScanner::string() {
  if (peek() != '"') return false;
  ++at_;
  while (at_ < text_.size()) {
    const u8 c = u8(text_[at_]);
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c < 0x20) return false;
    if (c == '\\') {
      if (!escape()) return false;
      continue;
    }
    u32 code_point = 0;
    const std::size_t length = decode_utf8(text_.substr(at_), code_point);
    if (length == 0) return false;
    at_ += length;
  }
  return false;
}

bool JsonScanner::escape() {
  ++at_;
  const char c = peek();
  ++at_;
  if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
  u32 unit = 0;
  if (!hex_unit(unit) || (unit >= 0xdc00 && unit < 0xe000)) return false;
  if (unit < 0xd800 || unit >= 0xdc00) return true;
  // Half a surrogate pair is no character; many readers refuse the whole line for it.
  if (!text_.substr(at_).starts_with("\\u")) return false;
  at_ += 2;
  return hex_unit(unit) && unit >= 0xdc00 && unit < 0xe000;
}

bool JsonScanner::hex_unit(u32& unit) {
  const std::string_view digits = text_.substr(std::min(at_, text_.size()), 4);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  if (digits.size() < 4 || read.ptr != digits.data() + 4) return false;
  at_ += 4;
  return true;
}

bool JsonScanner::digit_run() {
  if (!is_digit(peek())) return false;
  while (is_digit(peek())) ++at_;
  return true;
}

bool JsonScanner::number() {
  if (peek() == '-') ++at_;
  if (peek() == '0') {
    ++at_;
  } else if (!digit_run()) {
    return false;
  }
  if (peek() == '.') {
    ++at_;
    if (!digit_run()) return false;
  }
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    if (!digit_run()) return false;
  }
  // Beyond the range of a double it is JSON by the letter, and an error to most readers.
  double value = 0;
  return std::from_chars(text_.data() + begin_, text_.data() + at_, value).ec == std::errc();
}

bool is_json(std::string_view text) {
  JsonScanner scanner(text);
  for (;;) {
    const Token token = scanner.next();
    if (token == Token::kEnd) return true;
    if (token == Token::kError) return false;
  }
}

bool is_json_object(std::string_view json) {
  for (char c : json) {
    if (!is_space(c)) return c == '{';
  }
  return false;
}

char* put_json_line(TextBuffer& out, char* at, std::string_view json) {
  at = out.room(at, json.size() * 6);  // DEL becomes six bytes; nothing grows more
  bool in_string = false;
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (u8(c) >= 0x80 || c == 0x7f) {
      u32 code_point = 0;
      const std::size_t length = decode_utf8(json.substr(i), code_point);
      if (is_unsafe_code_point(code_point)) {
        constexpr char kHex[] = "0123456789abcdef";
        *at++ = '\\';
        *at++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4) *at++ = kHex[code_point >> shift & 15];
      } else {
        std::memcpy(at, json.data() + i, length);
        at += length;
      }
      i += length;
      continue;
    }
    ++i;
    if (!in_string && is_space(c)) continue;
    *at++ = c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') *at++ = json[i++];
  }
  return at;
}

}  // namespace sluice
