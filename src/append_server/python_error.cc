#include "append_server/python_error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/bytes.h"

namespace sluice::append_server {
namespace {

const char* class_of(int error) {
  switch (error) {
    case ENOENT:
      return "FileNotFoundError";
    case EACCES:
    case EPERM:
      return "PermissionError";
    case EISDIR:
      return "IsADirectoryError";
    case ENOTDIR:
      return "NotADirectoryError";
    case EEXIST:
      return "FileExistsError";
    case EAGAIN:
      return "BlockingIOError";
    case EPIPE:
      return "BrokenPipeError";
    case EINTR:
      return "InterruptedError";
    case ETIMEDOUT:
      return "TimeoutError";
    default:
      return "OSError";
  }
}

struct Decoded {
  char32_t point = 0;
  std::size_t size = 0;  // 0: no UTF-8
};

// As strict as Python: no surrogates, nothing longer than it has to be.
Decoded decode(std::string_view bytes) {
  const u8 first = u8(bytes[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes.size() < size) return {};
  char32_t point = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((u8(bytes[i]) & 0xc0) != 0x80) return {};
    point = point << 6 | (u8(bytes[i]) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {};
  return {point, size};
}

// Control and format characters, blanks but the space, private and surrogate code points: what
// str.isprintable() denies. Code points that are not assigned are taken for printable.
bool is_printable(char32_t point) {
  constexpr std::pair<char32_t, char32_t> kNot[] = {
      {0x00, 0x1f},       {0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},
      {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},
      {0x8e2, 0x8e2},     {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},
      {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},   {0xd800, 0xf8ff},
      {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd},
      {0x110cd, 0x110cd}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
      {0xf0000, 0x10ffff}};
  return std::ranges::none_of(
      kNot, [point](const auto& range) { return point >= range.first && point <= range.second; });
}

std::string escape_of(char32_t point) {
  char text[16];
  const char* const form = point <= 0xff ? "\\x%02x" : point <= 0xffff ? "\\u%04x" : "\\U%08x";
  std::snprintf(text, sizeof text, form, unsigned(point));
  return text;
}

}  // namespace

std::string python_error(int error) {
  const int number = error < 0 ? -error : error;
  char buffer[128];
  return std::string(class_of(number)) + ": [Errno " + std::to_string(number) + "] " +
         ::strerror_r(number, buffer, sizeof buffer);
}

std::string python_error(int error, std::string_view path) {
  return python_error(error) + ": " + python_repr(path);
}

std::string python_repr(std::string_view bytes) {
  const bool single = bytes.find('\'') != std::string_view::npos;
  const char quote = single && bytes.find('"') == std::string_view::npos ? '"' : '\'';
  std::string text(1, quote);
  while (!bytes.empty()) {
    const Decoded decoded = decode(bytes);
    const std::size_t size = std::max<std::size_t>(decoded.size, 1);
    const char c = bytes[0];
    if (decoded.size == 0) {
      text += escape_of(0xdc00U + u8(c));
    } else if (c == '\n' || c == '\t' || c == '\r') {
      text += c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r";
    } else if (c == '\\' || c == quote) {
      text += {'\\', c};
    } else if (is_printable(decoded.point)) {
      text += bytes.substr(0, size);
    } else {
      text += escape_of(decoded.point);
    }
    bytes.remove_prefix(size);
  }
  return text + quote;
}

std::string shown_path(const std::string& path) {
  std::string repr = python_repr(path);
  return repr.size() == path.size() + 2 ? path : repr;
}

}  // namespace sluice::append_server
