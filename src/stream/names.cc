#include "stream/names.h"

#include <charconv>

#include "base/crc32c.h"
#include "base/fixed_text.h"
#include "record/escape.h"
#include "record/time_text.h"

namespace sluice::stream {
namespace {

constexpr std::string_view kExtension = ".log";
constexpr std::string_view kTimeForm = "0000-00-00_00-00-00";
constexpr std::size_t kHashBytes = 9;  // "-" and eight digits

bool is_plain(char c) {
  return u8(c) > 0x20 && u8(c) < 0x7f &&
         std::string_view("/\\:*?\"<>|").find(c) == std::string_view::npos;
}

// As stem_of(), without a limit.
std::string cleaned(std::string_view name) {
  std::string stem;
  while (!name.empty()) {
    u32 code_point = 0;
    const std::size_t size = u8(name[0]) < 0x80 ? 1 : decode_utf8(name, code_point);
    if (size > 1 && !is_unsafe_code_point(code_point)) {
      stem += name.substr(0, size);
    } else {
      stem += size == 1 && is_plain(name[0]) ? name[0] : '_';
    }
    name.remove_prefix(size == 0 ? 1 : size);
  }
  if (!stem.empty() && (stem[0] == '.' || stem[0] == '-')) stem[0] = '_';
  return stem;
}

void cut(std::string& stem, std::size_t bytes) {
  if (stem.size() <= bytes) return;
  while (bytes > 0 && (u8(stem[bytes]) & 0xc0) == 0x80) --bytes;
  stem.resize(bytes);
}

bool is_time(std::string_view text) {
  if (text.size() != kTimeForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kTimeForm[i] == '0' ? !digit : text[i] != kTimeForm[i]) return false;
  }
  return true;
}

}  // namespace

std::string stem_of(std::string_view name) {
  std::string stem = cleaned(name);
  cut(stem, kStemBytesMax);
  return stem;
}

bool needs_hash(std::string_view name) {
  const std::string stem = cleaned(name);
  return stem.size() > kStemBytesMax || parse_finished(stem + std::string(kExtension)).number != 0;
}

std::string stem_with_hash(std::string_view name) {
  std::string stem = cleaned(name);
  cut(stem, kStemBytesMax - kHashBytes);
  char hash[kHashBytes + 1];
  FixedText(hash, sizeof hash).text("-").number(crc32c(name.data(), name.size()) | 0xf0000000u, 16);
  return stem + hash;
}

std::string finished_name(std::string_view stem, i64 wall_ns, u64 number) {
  TimeText text;
  std::string time(text.prefix(wall_ns), kTimeForm.size());  // 2026-01-02T18:55:02
  time[10] = '_';
  time[13] = time[16] = '-';
  return std::string(stem) + "_" + time + "_" + std::to_string(number) + std::string(kExtension);
}

FinishedName parse_finished(std::string_view file_name) {
  if (!file_name.ends_with(kExtension)) return {};
  file_name.remove_suffix(kExtension.size());
  const std::size_t bar = file_name.rfind('_');
  if (bar == std::string_view::npos || bar < kTimeForm.size() + 2) return {};
  const std::string_view digits = file_name.substr(bar + 1);
  const std::string_view time = file_name.substr(bar - kTimeForm.size(), kTimeForm.size());
  const std::size_t stem = bar - kTimeForm.size() - 1;
  u64 number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits[0] == '0' ||
      digits.size() > 15 || file_name[stem] != '_' || !is_time(time)) {
    return {};
  }
  return {file_name.substr(0, stem), time, number};
}

std::string percent_encoded(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (u8(c) > 0x20 && u8(c) < 0x7f && c != '%') {
      text += c;
    } else {
      text += '%';
      text += "0123456789abcdef"[u8(c) >> 4];
      text += "0123456789abcdef"[u8(c) & 15];
    }
  }
  return text;
}

std::string percent_decoded(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      name += char(value);
      i += 2;
    } else {
      name += text[i];
    }
  }
  return name;
}

}  // namespace sluice::stream
