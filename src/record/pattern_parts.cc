#include "record/pattern_parts.h"

#include <fmt/format.h>

#include "record/escape.h"
#include "record/text_pattern.h"

namespace sluice {
namespace {

struct Name {
  std::string_view text;
  char flag;  // spdlog's letter, 0 = none
  PatternField field;
};
constexpr Name kNames[] = {
    {"time", 0, PatternField::kTime},
    {"date", 0, PatternField::kDate},
    {"clock", 'T', PatternField::kClock},
    {"thread_id", 't', PatternField::kThreadId},
    {"thread_name", 0, PatternField::kThreadName},
    {"source", 0, PatternField::kSource},
    {"path_line", '@', PatternField::kPathLine},
    {"file", 's', PatternField::kFileName},
    {"path", 'g', PatternField::kPath},
    {"line", '#', PatternField::kLine},
    {"function", '!', PatternField::kFunction},
    {"level", 'l', PatternField::kLevel},
    {"LEVEL", 0, PatternField::kLevelUpper},
    {"level_short", 'L', PatternField::kLevelShort},
    {"logger", 'n', PatternField::kLogger},
    {"message", 'v', PatternField::kMessage},
    {"product", 0, PatternField::kProduct},
    {"version", 0, PatternField::kVersion},
    {"run_id", 0, PatternField::kRunId},
    {"host", 0, PatternField::kHost},
    {"pid", 'P', PatternField::kPid},
    {"sequence", 0, PatternField::kSequence},
    {"kind", 0, PatternField::kKind},
    {"year", 'Y', PatternField::kYear},
    {"month", 'm', PatternField::kMonth},
    {"day", 'd', PatternField::kDay},
    {"hour", 'H', PatternField::kHour},
    {"minute", 'M', PatternField::kMinute},
    {"second", 'S', PatternField::kSecond},
    {"ms", 'e', PatternField::kMilliseconds},
    {"us", 'f', PatternField::kMicroseconds},
    {"ns", 'F', PatternField::kNanoseconds},
    {"unix", 'E', PatternField::kUnixSeconds},
    {"weekday", 'A', PatternField::kWeekday},
    {"weekday_short", 'a', PatternField::kWeekdayShort},
    {"month_name", 'B', PatternField::kMonthName},
    {"month_short", 'b', PatternField::kMonthShort},
    {"year_short", 'C', PatternField::kYearShort},
    {"hour12", 'I', PatternField::kHour12},
    {"am_pm", 'p', PatternField::kAmPm},
    {"elapsed_s", 'O', PatternField::kElapsedSeconds},
    {"elapsed_ms", 'o', PatternField::kElapsedMilliseconds},
    {"elapsed_us", 'i', PatternField::kElapsedMicroseconds},
    {"elapsed_ns", 'u', PatternField::kElapsedNanoseconds},
    {"context", '&', PatternField::kContext},
    {"color_on", '^', PatternField::kColorOn},
    {"color_off", '$', PatternField::kColorOff},
};

// Flags that are several fields.
struct Composed {
  char flag;
  std::string_view pattern;
};
constexpr Composed kComposed[] = {
    {'+', kDefaultPattern}, {'c', "%a %b %d %T %Y"}, {'D', "%m/%d/%C"}, {'x', "%m/%d/%C"},
    {'r', "%I:%M:%S %p"},   {'R', "%H:%M"},          {'X', "%T"},       {'h', "%b"},
    {'z', "+00:00"},
};

std::string all_flags() {
  std::string flags;
  for (const Name& name : kNames) {
    if (name.flag != 0) flags += name.flag;
  }
  for (const Composed& composed : kComposed) flags += composed.flag;
  return flags;
}

std::string all_names() {
  std::string names;
  for (const Name& name : kNames) {
    if (!names.empty()) names += ", ";
    names += name.text;
  }
  return names;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : text_(pattern) {}

  Result<std::vector<PatternPart>> parse() {
    while (at_ < text_.size()) {
      const std::size_t percent = text_.find('%', at_);
      literal(text_.substr(at_, percent - at_));
      if (percent == std::string_view::npos) break;
      at_ = percent + 1;
      Status status = at_ < text_.size() && text_[at_] == '(' ? named(percent) : flag(percent);
      if (!status.ok()) return status;
    }
    return std::move(parts_);
  }

 private:
  void literal(std::string_view text) {
    if (text.empty()) return;
    if (parts_.empty() || parts_.back().field != PatternField::kLiteral) parts_.emplace_back();
    parts_.back().literal += text;
  }

  [[nodiscard]] Status error(std::size_t column, std::string_view what) const {
    return fatal(fmt::format("pattern \"{}\", column {}: {}", text_, column + 1, what));
  }

  // Reads digits; false when there are none or too many.
  bool width(std::string_view digits, u16& out) const {
    u32 value = 0;
    for (char c : digits) {
      if (c < '0' || c > '9') return false;
      value = value * 10 + u32(c - '0');
      if (value > kPatternWidthMax) return false;
    }
    out = u16(value);
    return !digits.empty();
  }

  Status named(std::size_t percent) {
    const std::size_t end = text_.find(')', at_);
    if (end == std::string_view::npos) {
      return error(percent, "\"%(\" has no \")\"; write %(name), or %% for a percent sign");
    }
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    const auto colon = inside.find(':');
    const std::string_view wanted = inside.substr(0, colon);
    PatternPart part;
    if (colon != std::string_view::npos) {
      std::string_view spec = inside.substr(colon + 1);
      part.cut = spec.ends_with('!');
      if (part.cut) spec.remove_suffix(1);
      const auto sign =
          spec.empty() ? std::string_view::npos : std::string_view("<>^").find(spec[0]);
      if (sign == std::string_view::npos || !width(spec.substr(1), part.width)) {
        return error(at_ + 2 + colon,
                     fmt::format("\"{}\" is no width; write <8, >8 or ^8, at most {}, with a ! "
                                 "behind it to cut what is longer",
                                 spec, kPatternWidthMax));
      }
      part.align = PatternAlign(sign + 1);
    }
    for (const Name& name : kNames) {
      if (name.text != wanted) continue;
      part.field = name.field;
      parts_.push_back(std::move(part));
      at_ = end + 1;
      return {};
    }
    return error(at_ + 1,
                 fmt::format("there is no field \"{}\"; there are {}", wanted, all_names()));
  }

  Status flag(std::size_t percent) {
    PatternPart part;
    std::size_t digits = at_;
    if (digits < text_.size() && (text_[digits] == '-' || text_[digits] == '=')) ++digits;
    std::size_t end = digits;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
    if (end > digits) {
      if (!width(text_.substr(digits, end - digits), part.width)) {
        return error(percent, fmt::format("a width is at most {}", kPatternWidthMax));
      }
      part.align = digits == at_       ? PatternAlign::kRight
                   : text_[at_] == '-' ? PatternAlign::kLeft
                                       : PatternAlign::kCenter;
    }
    if (part.width > 0 && end < text_.size() && text_[end] == '!') {
      part.cut = true;
      ++end;
    }
    if (end == text_.size()) return error(percent, "\"%\" at the end; write %% for a percent sign");
    const char letter = text_[end];
    at_ = end + 1;
    if (letter == '%') {
      literal("%");
      return {};
    }
    for (const Name& name : kNames) {
      if (name.flag != letter) continue;
      part.field = name.field;
      parts_.push_back(std::move(part));
      return {};
    }
    for (const Composed& composed : kComposed) {
      if (composed.flag != letter) continue;
      if (part.width == 0) return append(composed.pattern);
      return error(percent, fmt::format("\"%{}\" stands for several fields and takes no width; "
                                        "give them theirs: {}",
                                        letter, composed.pattern));
    }
    return error(percent,
                 fmt::format("there is no flag \"%{}\"; there are {}; or write %(name) "
                             "with one of {}, or %% for a percent sign",
                             escaped(TextForm::kText, {&letter, 1}), all_flags(), all_names()));
  }

  Status append(std::string_view pattern) {
    auto parts = Parser(pattern).parse();
    if (!parts.ok()) return parts.status();
    for (PatternPart& part : parts.value()) {
      if (part.field == PatternField::kLiteral) {
        literal(part.literal);
      } else {
        parts_.push_back(std::move(part));
      }
    }
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<PatternPart> parts_;
};

}  // namespace

Result<std::vector<PatternPart>> parse_pattern(std::string_view pattern) {
  return Parser(pattern).parse();
}

}  // namespace sluice
