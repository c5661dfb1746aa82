#include "record/text_pattern.h"

#include <algorithm>

#include "record/number_text.h"

namespace sluice {
namespace {

std::string_view color_of(Level level) {
  switch (level) {
    case Level::trace:
      return "\x1b[2m";
    case Level::debug:
      return "\x1b[36m";
    case Level::info:
      return "\x1b[32m";
    case Level::notice:
      return "\x1b[34m";
    case Level::warning:
      return "\x1b[33m";
    case Level::error:
      return "\x1b[31m";
    case Level::critical:
      return "\x1b[1;31m";
    case Level::off:
      break;
  }
  return "";
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return out;
}

// Not escaped yet.
std::string fixed_text(PatternField field, const Site& site) {
  const std::string source = source_of(site);
  switch (field) {
    case PatternField::kSource:
      return source;
    case PatternField::kFileName:
      return source.substr(0, source.rfind(':'));
    case PatternField::kPath:
      return site.file;
    case PatternField::kPathLine:
      return site.file.empty() ? "" : site.file + ":" + std::to_string(site.line);
    case PatternField::kLine:
      return site.file.empty() ? "" : std::to_string(site.line);
    case PatternField::kFunction:
      return site.function;
    case PatternField::kLevel:
      return std::string(level_name(site.level));
    case PatternField::kLevelUpper:
      return upper(level_name(site.level));
    case PatternField::kLevelShort:
      return upper(level_name(site.level).substr(0, 1));
    case PatternField::kLogger:
      return site.logger;
    case PatternField::kKind:
      return std::string(kind_name(site.kind));
    default:
      return {};
  }
}

std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (char c : text) count += (u8(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

std::size_t blanks_before(PatternAlign align, std::size_t missing) {
  if (align == PatternAlign::kRight) return missing;
  return align == PatternAlign::kCenter ? missing / 2 : 0;
}

// Where the character number `index` begins.
std::size_t character_at(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((u8(text[at]) & 0xc0) != 0x80 && index-- == 0) break;
  }
  return at;
}

struct Alignment {
  PatternAlign align;
  bool cut;
  std::size_t width;
};

// Brings the field that began `start` bytes into the record to its width.
char* put_aligned(const Alignment& to, std::size_t start, TextBuffer& out, char* at) {
  at = out.room(at, to.width);
  char* const begin = out.record() + start;
  const auto bytes = std::size_t(at - begin);
  const std::size_t used = code_points({begin, bytes});
  if (used > to.width && to.cut) return begin + character_at({begin, bytes}, to.width);
  if (used >= to.width) return at;
  const std::size_t before = blanks_before(to.align, to.width - used);
  std::memmove(begin + before, begin, bytes);
  std::memset(begin, ' ', before);
  std::memset(begin + before + bytes, ' ', to.width - used - before);
  return at + (to.width - used);
}

constexpr std::string_view kWeekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

i64 floor_divide(i64 value, i64 by) { return value / by - (value % by < 0 ? 1 : 0); }

std::string_view weekday_of(i64 wall_ns) {
  constexpr i64 kNsPerDay = 86'400 * kNsPerSecond;
  constexpr i64 kFirst = 4;  // 1970-01-01 was a Thursday
  return kWeekdays[std::size_t(((floor_divide(wall_ns, kNsPerDay) + kFirst) % 7 + 7) % 7)];
}

char* put_name(std::string_view name, char* at) {
  std::memcpy(at, name.data(), name.size());
  return at + name.size();
}

u32 two_digits(const char* at) { return u32(at[0] - '0') * 10 + u32(at[1] - '0'); }

}  // namespace

// Lays the pattern out for one site.
class TextPattern::LineMaker {
 public:
  LineMaker(const Site& site, bool color) : site_(site), color_(color) {}

  std::unique_ptr<Line> make(const std::vector<PatternPart>& parts) {
    auto line = std::make_unique<Line>(site_);
    line_ = line.get();
    for (const PatternPart& part : parts) add(part);
    literal_ += '\n';
    finish({});
    return line;
  }

 private:
  void finish(Step step) {
    step.literal_bytes = u32(literal_.size());
    step.literal = std::move(literal_);
    step.literal.append(kWideCopyBytes, '\0');
    line_->steps.push_back(std::move(step));
    literal_.clear();
    empty_before_ = false;
  }

  [[nodiscard]] bool varies(PatternField field) const {
    if (field == PatternField::kLogger) return (site_.flags & SiteFlag::kLoggerIsFirstArg) != 0;
    return field < PatternField::kLogger && field != PatternField::kLiteral;
  }

  [[nodiscard]] bool behind_blank() const {
    return literal_.empty() ? line_->steps.empty() : literal_.back() == ' ';
  }

  void add(const PatternPart& part) {
    if (part.field == PatternField::kLiteral) {
      const bool swallow = empty_before_ && part.literal.starts_with(' ') && behind_blank();
      literal_ += escaped(TextForm::kText, std::string_view(part.literal).substr(swallow ? 1 : 0));
      empty_before_ = false;
      return;
    }
    if (part.field == PatternField::kColorOn || part.field == PatternField::kColorOff) {
      if (color_)
        literal_ += part.field == PatternField::kColorOn ? color_of(site_.level) : "\x1b[0m";
      return;
    }
    if (varies(part.field)) {
      finish(Step{{}, 0, part.field, part.align, part.cut, part.width});
      return;
    }
    TextBuffer text;
    const std::string safe = escaped(TextForm::kText, fixed_text(part.field, site_));
    char* at = put_raw(text, text.begin_record(), safe);
    if (part.width > 0) at = put_aligned({part.align, part.cut, part.width}, 0, text, at);
    (void)text.end_record(at);
    empty_before_ = text.empty();
    literal_ += text.text();
  }

  const Site& site_;
  const bool color_;
  Line* line_ = nullptr;
  std::string literal_;
  bool empty_before_ = false;  // the last thing was a field that gave nothing
};

Result<TextPattern> TextPattern::compile(std::string_view pattern, TextPatternOptions options) {
  auto parsed = parse_pattern(pattern);
  if (!parsed.ok()) return parsed.status();
  std::vector<PatternPart> parts = std::move(parsed.value());
  const bool placed = std::any_of(parts.begin(), parts.end(), [](const PatternPart& part) {
    return part.field == PatternField::kColorOn;
  });
  for (std::size_t i = 0; options.color && !placed && i < parts.size(); ++i) {
    const PatternField field = parts[i].field;
    if (field != PatternField::kLevel && field != PatternField::kLevelUpper &&
        field != PatternField::kLevelShort) {
      continue;
    }
    const auto at = parts.begin() + std::ptrdiff_t(i);
    parts.insert(parts.insert(at + 1, {.field = PatternField::kColorOff}) - 1,
                 {.field = PatternField::kColorOn});
    i += 2;
  }
  return TextPattern(std::move(parts), options.color);
}

char* TextPattern::put_time_part(PatternField field, i64 wall_ns, char* at) {
  const char* const prefix = time_.prefix(wall_ns);
  const auto slice = [&](std::size_t from, std::size_t bytes) {
    std::memcpy(at, prefix + from, bytes);
    return at + bytes;
  };
  switch (field) {
    case PatternField::kDate:
      return slice(0, 10);
    case PatternField::kClock:
      return slice(11, 8);
    case PatternField::kYear:
      return slice(0, 4);
    case PatternField::kMonth:
      return slice(5, 2);
    case PatternField::kDay:
      return slice(8, 2);
    case PatternField::kHour:
      return slice(11, 2);
    case PatternField::kMinute:
      return slice(14, 2);
    case PatternField::kSecond:
      return slice(17, 2);
    case PatternField::kYearShort:
      return slice(2, 2);
    case PatternField::kHour12:
      return put_2_digits(at, (two_digits(prefix + 11) + 11) % 12 + 1);
    case PatternField::kAmPm:
      return put_name(two_digits(prefix + 11) < 12 ? "AM" : "PM", at);
    case PatternField::kWeekday:
      return put_name(weekday_of(wall_ns), at);
    case PatternField::kWeekdayShort:
      return put_name(weekday_of(wall_ns).substr(0, 3), at);
    case PatternField::kMonthName:
      return put_name(kMonths[two_digits(prefix + 5) - 1], at);
    case PatternField::kMonthShort:
      return put_name(kMonths[two_digits(prefix + 5) - 1].substr(0, 3), at);
    default:
      break;
  }
  char digits[kNumberRoom];
  (void)time_.put(digits, wall_ns);
  const std::size_t bytes = field == PatternField::kMilliseconds   ? 3
                            : field == PatternField::kMicroseconds ? 6
                                                                   : 9;
  std::memcpy(at, digits + 20, bytes);
  return at + bytes;
}

i64 TextPattern::elapsed_ns(const Entry& entry) const {
  if (!last_wall_ns_) return 0;
  i64 passed = 0;
  return __builtin_sub_overflow(entry.wall_ns, *last_wall_ns_, &passed) || passed < 0 ? 0 : passed;
}

char* TextPattern::put_context(const Entry& entry, TextBuffer& out, char* at) {
  const std::size_t start = out.written(at);
  at = put_logfmt_context(out, at, entry.record.context(), {});
  char* const begin = out.record() + start;
  if (at == begin) return at;
  std::memmove(begin, begin + 1, std::size_t(at - begin - 1));  // without the blank in front
  return at - 1;
}

char* TextPattern::put_rare(PatternField field, const Entry& entry, TextBuffer& out, char* at) {
  const auto text = [&](std::string_view value) {
    return put_escaped<TextForm::kText>(out, at, value);
  };
  static const RunInfo kNoRun;
  const RunInfo& run = entry.run != nullptr ? *entry.run : kNoRun;
  switch (field) {
    case PatternField::kThreadName:
      return text(entry.thread.name);
    case PatternField::kLogger:
      return text(entry.logger);
    case PatternField::kProduct:
      return text(run.product);
    case PatternField::kVersion:
      return text(run.version);
    case PatternField::kRunId:
      return text(run.run_id);
    case PatternField::kHost:
      return text(run.host);
    case PatternField::kPid:
      return put_u64(at, run.pid);
    case PatternField::kSequence:
      return put_u64(at, entry.sequence);
    case PatternField::kUnixSeconds:
      return put_i64(at, floor_divide(entry.wall_ns, kNsPerSecond));
    case PatternField::kElapsedSeconds:
      return put_i64(at, elapsed_ns(entry) / kNsPerSecond);
    case PatternField::kElapsedMilliseconds:
      return put_i64(at, elapsed_ns(entry) / 1'000'000);
    case PatternField::kElapsedMicroseconds:
      return put_i64(at, elapsed_ns(entry) / 1000);
    case PatternField::kElapsedNanoseconds:
      return put_i64(at, elapsed_ns(entry));
    case PatternField::kContext:
      return put_context(entry, out, at);
    default:
      return put_time_part(field, entry.wall_ns, at);
  }
}

bool TextPattern::append(const Entry& entry, TextBuffer& out) {
  char* at = out.begin_record();
  if (at == nullptr) return false;
  const Line& line = lines_.of(
      entry.site, [this](const Site& site) { return LineMaker(site, color_).make(parts_); });
  u32 swallow = 0;  // blanks to leave out of the next literal
  for (const Step& step : line.steps) {
    at = out.room(at, step.literal_bytes + kNumberRoom);
    at = copy_wide(at, step.literal.data() + swallow, step.literal_bytes - swallow);
    swallow = 0;
    const std::size_t start = out.written(at);
    switch (step.field) {
      case PatternField::kLiteral:
        continue;
      case PatternField::kTime:
        at = time_.put(at, entry.wall_ns);
        break;
      case PatternField::kThreadId:
        at = put_u64(at, entry.thread.tid);
        break;
      case PatternField::kMessage:
        at = line.message.put(entry, out, at);
        break;
      default:
        at = put_rare(step.field, entry, out, at);
        break;
    }
    if (step.width > 0) {
      at = put_aligned({step.align, step.cut, step.width}, start, out, at);
    } else if (out.written(at) == start) {
      const Step& next = *(&step + 1);  // the last step is the newline's
      const bool behind_blank = start == 0 || at[-1] == ' ';
      swallow = behind_blank && next.literal[0] == ' ' ? 1 : 0;
    }
  }
  if (!out.end_record(at)) return false;
  last_wall_ns_ = entry.wall_ns;
  return true;
}

}  // namespace sluice
