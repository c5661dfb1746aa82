// A text pattern taken apart: literals and fields. The language is described in text_pattern.h.
//
// Threading: thread-safe. Failure: a Status with what, the column, and how to mend it.
#ifndef SLUICE_SRC_RECORD_PATTERN_PARTS_H_
#define SLUICE_SRC_RECORD_PATTERN_PARTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice {

enum class PatternField : u8 {
  kLiteral,
  // vary from record to record
  kTime,
  kDate,
  kClock,
  kYear,
  kMonth,
  kDay,
  kHour,
  kMinute,
  kSecond,
  kMilliseconds,
  kMicroseconds,
  kNanoseconds,
  kUnixSeconds,
  kWeekday,
  kWeekdayShort,
  kMonthName,
  kMonthShort,
  kYearShort,
  kHour12,
  kAmPm,
  kElapsedSeconds,
  kElapsedMilliseconds,
  kElapsedMicroseconds,
  kElapsedNanoseconds,
  kContext,
  kThreadId,
  kThreadName,
  kMessage,
  kProduct,
  kVersion,
  kRunId,
  kHost,
  kPid,
  kSequence,
  kLogger,  // fixed by most sites
  // fixed by the site
  kSource,
  kFileName,
  kPath,
  kPathLine,
  kLine,
  kFunction,
  kLevel,
  kLevelUpper,
  kLevelShort,
  kKind,
  kColorOn,
  kColorOff,
};

enum class PatternAlign : u8 { kNone, kLeft, kRight, kCenter };

struct PatternPart {
  PatternField field = PatternField::kLiteral;
  PatternAlign align = PatternAlign::kNone;
  u16 width = 0;
  bool cut = false;          // what is longer than the width
  std::string literal = {};  // as written; only for kLiteral
};

inline constexpr u32 kPatternWidthMax = 256;

[[nodiscard]] Result<std::vector<PatternPart>> parse_pattern(std::string_view pattern);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_PATTERN_PARTS_H_
