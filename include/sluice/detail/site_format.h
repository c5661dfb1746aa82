// The parts of the record format that a call site writes itself (docs/formats/record.md).
#ifndef SLUICE_DETAIL_SITE_FORMAT_H_
#define SLUICE_DETAIL_SITE_FORMAT_H_

#include <cstdint>

namespace sluice {
inline namespace v1 {
namespace detail {

// What a record is.
enum class RecordKind : std::uint8_t {
  kLog = 1,
  kEvent = 2,   // format = event name; named arguments are the payload's fields
  kMetric = 3,  // format = metric name; argument 0 = value (f64); the rest are tags
  kState = 4,   // named arguments form a JSON merge patch (RFC 7396); one unnamed JSON argument is
                // the patch itself
  kTrack = 5,
  kParam = 6,
  kFile = 7,
  kBytes = 8,
};

enum class MetricKind : std::uint8_t {
  kNone = 0,
  kGauge = 1,
  kCounter = 2,  // the value is the increment
  kHistogram = 3,
  kTimer = 4,  // seconds
};

// How an argument's word (and tail bytes) are read. Every argument has one 8-byte word.
enum class ArgType : std::uint8_t {
  kBool = 1,
  kChar = 2,  // one byte of text
  kI32 = 3,   // sign-extended
  kU32 = 4,   // zero-extended
  kI64 = 5,
  kU64 = 6,
  kF32 = 7,  // IEEE bits in the low half
  kF64 = 8,
  kPointer = 9,
  kString = 10,     // word = length; bytes in the tail. Meant as UTF-8, never trusted to be
  kBytes = 11,      // word = length; bytes in the tail
  kTimestamp = 12,  // i64 ns since the Unix epoch
  kDuration = 13,   // i64 ns
  kJson = 14,       // word = length; JSON text in the tail
};

[[nodiscard]] constexpr bool has_tail(ArgType type) noexcept {
  return type == ArgType::kString || type == ArgType::kBytes || type == ArgType::kJson;
}

// Bits of SiteDefinition::flags.
enum SiteFlag : std::uint8_t {
  kLoggerIsFirstArg = 1,   // argument 0 is hidden: the id of the logger (kU32)
  kNameIsFirstArg = 2,     // the next argument is hidden: the name (event, metric) as a string
  kBacktraceable = 4,      // kept for a backtrace rather than delivered (region space; unused yet)
  kUnitIsNextArg = 8,      // the next argument is hidden: a metric's unit as a string
  kFieldsAreLastArg = 16,  // the last argument is a JSON object: all the fields of a log
  // A metric's value is the mean of many; the next two are `count` (kU64) and `buckets` (kJson: a
  // list of [mean, count], ascending).
  kIsSummary = 32,
};

// How many leading arguments are hidden from the message and the fields.
[[nodiscard]] constexpr std::uint32_t hidden_arguments(std::uint8_t flags) noexcept {
  return ((flags & kLoggerIsFirstArg) ? 1u : 0u) + ((flags & kNameIsFirstArg) ? 1u : 0u) +
         ((flags & kUnitIsNextArg) ? 1u : 0u);
}

// SiteDefinition: how a call site describes itself, in the region's dictionary and in segments.
//
//   u32 id            u32 line
//   u8  kind          u8 level        u8 flags      u8 metric kind
//   u8  arguments     u8 zero         u16 logger bytes
//   u16 file bytes    u16 function bytes   u16 format bytes   u16 unit bytes
//   u8  type[arguments]
//   u8  name bytes[arguments]          0 = positional
//   then the texts without separators: logger, file, function, format, unit, names in order
inline constexpr std::uint32_t kSiteDefinitionFixedBytes = 24;
inline constexpr std::uint32_t kSiteArgumentsMax = 32;
inline constexpr std::uint32_t kSiteTextBytesMax = 4096;  // a longer text is cut

// FieldBlock: named values that describe themselves (scoped context).
//   repeated { u8 ArgType, u8 name bytes, u16 value bytes, name, value }
// The value is the argument's 8-byte word, or for types with a tail the bytes themselves.

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_SITE_FORMAT_H_
