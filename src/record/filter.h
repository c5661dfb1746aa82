// The one filter grammar: --level --since --until --logger --grep --field --run --limit.
//
// A Filter is a value; the default one lets everything through. The parse functions read the texts
// of the options and say in one sentence what is wrong with one and how to write it.
//
// Threading: values, read-only when matching. Never throws.
#ifndef SLUICE_SRC_RECORD_FILTER_H_
#define SLUICE_SRC_RECORD_FILTER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/entry.h"
#include "sluice/level.h"

namespace sluice {

// A field (named argument or context) and the text its value must have: "user_id=123" holds for the
// integer and for the string, "ok=true" for the bool. Dots lead into JSON: "order.id=7".
struct FieldMatch {
  std::string key;
  std::string value;
};

struct Filter {
  std::optional<Level> level = {};   // this one and worse
  std::optional<i64> since_ns = {};  // from this time on
  std::optional<i64> until_ns = {};  // before this time
  std::string logger = {};  // "api" that one, "api.*" all below it, "*" anywhere; empty: all
  std::string grep = {};    // part of the message
  std::vector<FieldMatch> fields = {};  // all of them
  std::string run = {};                 // what the run's id begins with
  std::optional<u64> limit = {};        // how many; for the caller to count

  // `message` is looked at only when needs_message(). Does not count towards `limit`.
  [[nodiscard]] bool matches(const Entry& entry, std::string_view message) const;
  [[nodiscard]] bool needs_message() const { return !grep.empty(); }
};

// Whether a JSON object has such a field; as in matches().
[[nodiscard]] bool json_field_matches(std::string_view object, const FieldMatch& match);

// Whether `name` fits the glob: '*' stands for any characters, dots too.
[[nodiscard]] bool logger_matches(std::string_view glob, std::string_view name);

// Nanoseconds since the epoch. "10m", "2h", "30s", "7d", "1w", "500ms": that long before `now_ns`;
// "now", "today", "yesterday" (UTC midnight); "@1700000000" and "@1700000000.25"; RFC 3339, in UTC
// when it names no zone, also without seconds ("2025-11-22 10:30") or time ("2025-11-22").
[[nodiscard]] Result<i64> parse_time(std::string_view text, i64 now_ns);
// "10m", "2h", "1d": above 0, in nanoseconds.
[[nodiscard]] Result<i64> parse_duration(std::string_view text);
[[nodiscard]] Result<FieldMatch> parse_field(std::string_view text);
[[nodiscard]] Result<Level> parse_level_option(std::string_view text);
[[nodiscard]] Result<u64> parse_limit(std::string_view text);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_FILTER_H_
