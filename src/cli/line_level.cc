#include "cli/line_level.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/characters.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kWordsBytes = 128;  // a header longer than this is no header
constexpr int kWordsMax = 10;

struct Name {
  std::string_view word;  // lower case
  Level level;
};
constexpr Name kNames[] = {
    {"trace", Level::trace},       {"trc", Level::trace},       {"finest", Level::trace},
    {"debug", Level::debug},       {"dbg", Level::debug},       {"verbose", Level::debug},
    {"fine", Level::debug},        {"info", Level::info},       {"inf", Level::info},
    {"information", Level::info},  {"notice", Level::notice},   {"note", Level::notice},
    {"warn", Level::warning},      {"warning", Level::warning}, {"wrn", Level::warning},
    {"error", Level::error},       {"err", Level::error},       {"severe", Level::error},
    {"critical", Level::critical}, {"crit", Level::critical},   {"fatal", Level::critical},
    {"panic", Level::critical},    {"alert", Level::critical},  {"emerg", Level::critical},
    {"emergency", Level::critical}};

// Beginnings that say it in their own way.
constexpr Name kBeginnings[] = {{"npm ERR!", Level::error},
                                {"npm WARN", Level::warning},
                                {"Traceback (most recent call last)", Level::error},
                                {"panic: ", Level::critical},
                                {"make: *** ", Level::error},
                                {"E: ", Level::error},  // apt
                                {"W: ", Level::warning},
                                {"N: ", Level::notice},
                                {"(EE)", Level::error},  // X.Org
                                {"(WW)", Level::warning},
                                {"(II)", Level::info}};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
char lower(char c) { return is_upper(c) ? char(c + ('a' - 'A')) : c; }

std::optional<Level> level_of_word(std::string_view word) {
  if (word.size() < 3 || word.size() > 11) return std::nullopt;
  for (const Name& name : kNames) {
    if (name.word.size() == word.size() &&
        std::equal(word.begin(), word.end(), name.word.begin(),
                   [](char a, char b) { return lower(a) == b; })) {
      return name.level;
    }
  }
  return std::nullopt;
}

// Escape sequences of terminals ("\x1b[31m") and blanks.
std::string_view skip_decoration(std::string_view line) {
  for (;;) {
    if (!line.empty() && (line[0] == ' ' || line[0] == '\t')) {
      line.remove_prefix(1);
    } else if (line.starts_with("\x1b[")) {
      std::size_t end = 2;
      while (end < line.size() && !is_letter(line[end])) ++end;
      line.remove_prefix(std::min(line.size(), end + 1));
    } else {
      return line;
    }
  }
}

Level level_of_syslog(int severity) {
  constexpr std::array<Level, 8> kLevels = {Level::critical, Level::critical, Level::critical,
                                            Level::error,    Level::warning,  Level::notice,
                                            Level::info,     Level::debug};
  return kLevels[std::size_t(severity)];
}

// "<3>": the low three bits are the severity (RFC 3164).
std::optional<Level> syslog_level(std::string_view line) {
  if (line.size() < 3 || line[0] != '<') return std::nullopt;
  int number = 0;
  std::size_t at = 1;
  for (; at < line.size() && at < 4 && is_digit(line[at]); ++at)
    number = number * 10 + line[at] - '0';
  if (at == 1 || at == line.size() || line[at] != '>' || number > 191) return std::nullopt;
  return level_of_syslog(number & 7);
}

// "E1122 10:00:00.123456 ..." or, since glog 0.6, "E20251122 ...".
std::optional<Level> glog_level(std::string_view line) {
  constexpr std::string_view kLetters = "IWEF";
  constexpr Level kLevels[] = {Level::info, Level::warning, Level::error, Level::critical};
  const std::size_t letter = line.empty() ? std::string_view::npos : kLetters.find(line[0]);
  if (letter == std::string_view::npos) return std::nullopt;
  std::size_t at = 1;
  while (at < line.size() && is_digit(line[at])) ++at;
  if (at != 5 && at != 9) return std::nullopt;
  const std::string_view clock = line.substr(at);
  const bool has_clock = clock.size() >= 6 && clock[0] == ' ' && is_digit(clock[1]) &&
                         is_digit(clock[2]) && clock[3] == ':' && is_digit(clock[4]);
  if (!has_clock) return std::nullopt;
  return kLevels[letter];
}

std::optional<Level> level_of_number(std::string_view digits) {
  if (digits.size() != 2 || digits[1] != '0') return std::nullopt;
  switch (digits[0]) {
    case '1':
      return Level::trace;
    case '2':
      return Level::debug;
    case '3':
      return Level::info;
    case '4':
      return Level::warning;
    case '5':
      return Level::error;
    case '6':
      return Level::critical;
    default:
      return std::nullopt;
  }
}

// The value behind "level": or level=, quoted or not.
std::optional<Level> level_of_value(std::string_view text) {
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  if (!text.empty() && text[0] == '"') text.remove_prefix(1);
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  if (end > 0) return level_of_word(text.substr(0, end));
  while (end < text.size() && is_digit(text[end])) ++end;
  return level_of_number(text.substr(0, end));
}

// Looks for one of the usual names of the field: as a JSON key, or in front of a '='.
std::optional<Level> field_level(std::string_view line, bool json) {
  constexpr std::string_view kFields[] = {"level",     "lvl",       "severity", "loglevel",
                                          "levelname", "log.level", "log_level"};
  for (const std::string_view field : kFields) {
    for (std::size_t at = line.find(field); at != std::string_view::npos;
         at = line.find(field, at + 1)) {
      std::string_view rest = line.substr(at + field.size());
      const char before = at == 0 ? ' ' : line[at - 1];
      if (json) {
        if (before != '"' || !rest.starts_with('"')) continue;
        rest.remove_prefix(1);
        while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
        if (!rest.starts_with(':')) continue;
      } else if ((before != ' ' && before != '\t') || !rest.starts_with('=')) {
        continue;
      }
      if (const auto level = level_of_value(rest.substr(1))) return level;
    }
  }
  return std::nullopt;
}

struct Word {
  std::string_view core;  // without the punctuation around it
  char before = '\0';     // '[', '(', '<' or nothing
  char after = '\0';      // first of the punctuation behind it, or nothing
  bool header = false;    // looks like a time, a number, a place, a bracketed thing, a separator
  bool has_digit = false;
};

Word next_word(std::string_view& rest) {
  std::string_view text = rest.substr(0, rest.find_first_of(" \t"));
  rest = skip_decoration(rest.substr(text.size()));
  Word word;
  word.header = std::any_of(text.begin(), text.end(), [](char c) { return !is_letter(c); });
  word.has_digit = std::any_of(text.begin(), text.end(), is_digit);
  if (!text.empty() && std::string_view("[(<|*").find(text[0]) != std::string_view::npos) {
    word.before = text[0];
    text.remove_prefix(1);
  }
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  word.core = text.substr(0, end);
  if (end < text.size()) word.after = text[end];
  return word;
}

// Whether this word, at this place, is meant as a level. `time_seen`: the line began with one.
bool is_meant(const Word& word, bool first, bool time_seen, bool behind_header) {
  constexpr std::string_view kClosing = "])>:|-,\x1b";
  const bool closed = word.after != '\0' && kClosing.find(word.after) != std::string_view::npos;
  if (word.before == '[' || word.before == '<' || word.before == '(') {
    return word.after == ']' || word.after == '>' || word.after == ')';
  }
  const bool upper = std::all_of(word.core.begin(), word.core.end(), is_upper);
  if (upper && (word.after == '\0' || closed)) return true;
  if (word.after == ':' || (word.after == '[' && first)) return true;  // error[E0308]: of rustc
  return time_seen && behind_header && (word.after == '\0' || closed);
}

// Walks over what looks like a line's header until a word that names a level.
std::optional<Level> word_level(std::string_view line) {
  std::string_view rest = line.substr(0, kWordsBytes);
  bool time_seen = false;
  bool behind_header = false;  // the word before looks like part of a header
  for (int i = 0; i < kWordsMax && !rest.empty(); ++i) {
    const std::string_view whole = rest.substr(0, rest.find_first_of(" \t"));
    const Word word = next_word(rest);
    if (const auto level = level_of_word(word.core)) {
      if (is_meant(word, i == 0, time_seen, behind_header)) return level;
    }
    if (i == 0 && word.has_digit && whole.size() >= 5) time_seen = true;
    // "Nov 22 10:00:00 host prog[7]:" and a name between separators are headers too.
    const bool month = i == 0 && whole.size() == 3 && !rest.empty() && is_digit(rest[0]);
    time_seen = time_seen || month;
    if (!word.header && !time_seen && !month) {
      const bool named = rest.starts_with("- ") || rest.starts_with("| ");
      if (!named) return std::nullopt;
    }
    behind_header = word.header;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Level> line_level(std::string_view line) {
  line = skip_decoration(line.substr(0, kLevelScanBytes));
  if (line.empty()) return std::nullopt;
  if (line[0] == '{') return field_level(line, true);
  if (const auto level = syslog_level(line)) return level;
  if (const auto level = glog_level(line)) return level;
  for (const Name& beginning : kBeginnings) {
    if (line.starts_with(beginning.word)) return beginning.level;
  }
  if (line.starts_with("thread '") && line.find("' panicked at ") != std::string_view::npos) {
    return Level::critical;
  }
  if (const auto level = field_level(line, false)) return level;
  return word_level(line);
}

}  // namespace sluice::cli
