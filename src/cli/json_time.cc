#include "cli/json_time.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>

#include "base/characters.h"
#include "record/filter.h"
#include "record/json_text.h"

namespace sluice::cli {
namespace {

constexpr double kWallNsMax = 9e18;
constexpr int kWallDigitsMax = 19;  // of kWallNsMax

// The number at `key` as it is written; of a key that is there twice the last one, as it is read.
std::string_view number_text(std::string_view line, std::string_view key) {
  const std::string quoted = "\"" + std::string(key) + "\"";
  JsonScanner scanner(line);
  std::string_view found;
  for (auto token = scanner.next();
       token != JsonScanner::Token::kEnd && token != JsonScanner::Token::kError;
       token = scanner.next()) {
    if (token != JsonScanner::Token::kKey || scanner.depth() != 1) continue;
    if (scanner.token_text() != quoted) continue;
    if (scanner.next() == JsonScanner::Token::kNumber) found = scanner.token_text();
  }
  return found;
}

// A JSON number ("1763805600.25", "1.76e9", not below 0) times 10^scale, what is behind the point
// dropped.
std::optional<i64> shifted(std::string_view text, int scale) {
  const std::size_t e = text.find_first_of("eE");
  int exponent = 0;
  if (e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto read = std::from_chars(power.data(), power.data() + power.size(), exponent);
    // As large as a double allows, and then some: no sum below overflows.
    if (read.ec != std::errc() || exponent > 1000 || exponent < -1000) return std::nullopt;
  }
  const std::string_view mantissa = text.substr(0, e);
  std::string digits;
  i64 point = i64(std::min(mantissa.find('.'), mantissa.size())) + exponent + scale;
  for (const char c : mantissa) {
    if (!is_digit(c)) continue;
    if (digits.empty() && c == '0') {
      --point;
    } else {
      digits += c;
    }
  }
  if (digits.empty()) return 0;
  if (point > kWallDigitsMax) return std::nullopt;
  u64 whole = 0;  // 19 digits fit
  for (i64 i = 0; i < point; ++i) {
    whole = whole * 10 + (i < i64(digits.size()) ? u64(digits[std::size_t(i)] - '0') : 0);
  }
  if (whole >= u64(kWallNsMax)) return std::nullopt;
  return i64(whole);
}

}  // namespace

std::optional<i64> json_time(const nlohmann::ordered_json& object, std::string_view line) {
  const char* key = nullptr;
  for (const char* const name : {"ts", "time", "timestamp", "@timestamp"}) {
    if (object.contains(name)) {
      key = name;
      break;
    }
  }
  if (key == nullptr) return std::nullopt;
  const nlohmann::ordered_json& value = object[key];
  if (value.is_string()) {
    const auto time = parse_time(value.get_ref<const std::string&>(), 0);
    if (time.ok()) return time.value();
    return std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  // Seconds, milliseconds, microseconds or nanoseconds, by their size.
  const double number = value.get<double>();
  int scale = 9;
  for (double limit = 1e11; scale > 0 && number >= limit; limit *= 1e3) scale -= 3;
  i64 unit = 1;
  for (int i = 0; i < scale; ++i) unit *= 10;
  const double wall_ns = number * double(unit);
  if (!(wall_ns >= 0 && wall_ns < kWallNsMax)) return std::nullopt;
  if (value.is_number_integer()) return value.get<i64>() * unit;
  const std::string_view text = number_text(line, key);
  // A key with escapes in it is not found, and has the precision of a double.
  return text.empty() ? i64(wall_ns) : shifted(text, scale);
}

}  // namespace sluice::cli
