#include "cli/text_header.h"

#include <algorithm>
#include <charconv>

#include "base/characters.h"
#include "cli/line_level.h"
#include "record/filter.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kTimeBytesMax = 48;
constexpr std::size_t kSourceBytesMax = 200;

std::string_view word_of(std::string_view text) { return text.substr(0, text.find(' ')); }

void skip(std::string_view& text, std::size_t bytes) {
  text.remove_prefix(std::min(text.size(), bytes));
  while (text.starts_with(' ')) text.remove_prefix(1);
}

std::optional<i64> read_time(std::string_view text) {
  std::string dotted(text);
  std::replace(dotted.begin(), dotted.end(), ',', '.');
  const auto time = parse_time(dotted, 0);
  if (!time.ok()) return std::nullopt;
  return time.value();
}

// "2025-11-22T10:00:00.123Z", "2025-11-22 10:00:00,123", in brackets or not.
std::optional<i64> take_time(std::string_view& line) {
  std::string_view text = line;
  const bool bracket = text.starts_with('[');
  if (bracket) text.remove_prefix(1);
  if (text.size() < 19 || !is_digit(text[0]) || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  std::string_view time = text.substr(0, text.find_first_of(bracket ? "]" : " ", 11));
  if (time.size() > kTimeBytesMax) return std::nullopt;
  const auto wall_ns = read_time(time);
  if (wall_ns) skip(line, time.size() + (bracket ? 2 : 0));
  return wall_ns;
}

}  // namespace

TextHeader parse_text_header(std::string_view line) {
  TextHeader header;
  std::string_view rest = line;
  header.wall_ns = take_time(rest);
  // A word that is a level and nothing else is part of the header; elsewhere it only tells.
  if (Level level{}; header.wall_ns && parse_level(word_of(rest), level) && level != Level::off) {
    header.level = level;
    skip(rest, word_of(rest).size());
  } else {
    header.level = line_level(line);
  }
  if (header.wall_ns && rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    const char* const last = rest.data() + std::min(end, rest.size());
    const auto read = std::from_chars(rest.data() + 1, last, header.tid);
    if (end != std::string_view::npos && read.ec == std::errc() && read.ptr == last) {
      skip(rest, end + 1);
    } else {
      header.tid = 0;
    }
  }
  const std::string_view word = word_of(rest);
  const std::size_t colon = word.rfind(':');
  const bool has_line = header.wall_ns && colon != std::string_view::npos && colon > 0 &&
                        colon + 1 < word.size() && word.size() <= kSourceBytesMax &&
                        word.find('.') < colon &&
                        std::all_of(word.begin() + i64(colon) + 1, word.end(), is_digit);
  if (has_line) {
    header.source = word;
    skip(rest, word.size());
  }
  header.message = rest;
  return header;
}

}  // namespace sluice::cli
