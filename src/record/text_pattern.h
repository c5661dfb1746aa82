// A line of text per record, laid out by a pattern.
//
//   %(time) [%(thread_id)] %(source) %(level:<8) %(message)
//
// Names: time (RFC 3339, UTC, nine digits), date, clock (HH:MM:SS), thread_id, thread_name, source
// (file name and line), file, path, path_line, line, function, level, LEVEL, level_short, logger,
// message, context, product, version, run_id, host, pid, sequence, kind; of the time: year
// year_short month month_name month_short day weekday weekday_short hour hour12 am_pm minute second
// ms us ns unix; of the time since the line before: elapsed_s elapsed_ms elapsed_us elapsed_ns. %%
// is a percent sign. A width comes behind a colon: <8 left, >8 right, ^8 centred; it fills with
// blanks, and with a ! behind it (<8!) cuts what is longer.
//
// spdlog's flags mean what they mean there, times in UTC: all that its pattern_formatter knows,
// with -8 left, 8 right, =8 centred and ! to cut. %+ is the pattern above with the level padded and
// the logger; %& writes context as key=value.
//
// A field that is empty takes one of the two blanks around it away: without a logger
// "a %(logger) b" is "a b".
//
// Threading: single-owner (it caches per site and per second). No allocation once every site was
// seen. Failure: compile() says what, where and how to mend it; append() only says that the buffer
// must be emptied first.
// Invariant: a line holds no byte below 0x20 but its final newline, and no terminal escape but the
// colours that were asked for.
#ifndef SLUICE_SRC_RECORD_TEXT_PATTERN_H_
#define SLUICE_SRC_RECORD_TEXT_PATTERN_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/entry.h"
#include "record/message.h"
#include "record/pattern_parts.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

inline constexpr std::string_view kDefaultPattern =
    "%(time) %(level:<8) [%(thread_id)] %(source) %(logger) %(message)";

struct TextPatternOptions {
  // Wraps what stands between %^ and %$, without these the level, in the level's colour.
  bool color = false;
};

class TextPattern {
 public:
  [[nodiscard]] static Result<TextPattern> compile(std::string_view pattern,
                                                   TextPatternOptions options = {});

  // Appends one line. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

  // To be called after Dictionary::clear().
  void forget_sites() { lines_.clear(); }

 private:
  // The pattern with all that a site fixes filled in: a literal before each field that varies.
  struct Step {
    std::string literal;  // escaped, with bytes to spare for copy_wide()
    u32 literal_bytes = 0;
    PatternField field = PatternField::kLiteral;  // kLiteral: nothing follows
    PatternAlign align = PatternAlign::kNone;
    bool cut = false;
    u16 width = 0;
  };
  struct Line {
    explicit Line(const Site& site)
        : message(site, TextForm::kText, MessagePlan::Fields::kAppend) {}
    MessagePlan message;
    std::vector<Step> steps;
  };
  class LineMaker;

  explicit TextPattern(std::vector<PatternPart> parts, bool color)
      : parts_(std::move(parts)), color_(color) {}
  char* put_rare(PatternField field, const Entry& entry, TextBuffer& out, char* at);
  char* put_context(const Entry& entry, TextBuffer& out, char* at);
  [[nodiscard]] i64 elapsed_ns(const Entry& entry) const;
  char* put_time_part(PatternField field, i64 wall_ns, char* at);

  std::vector<PatternPart> parts_;
  bool color_;
  SiteCache<Line> lines_;
  TimeText time_;
  std::optional<i64> last_wall_ns_;  // of the line before
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_TEXT_PATTERN_H_
