// What a record says, as one line of text.
//
//   log      the format text with its arguments, then the named ones it did not use: " key=value"
//   event    name, then all fields           (also track, param, file, bytes)
//   metric   name=value unit, then its tags
//   state    state {"merge":"patch"}
//   context  scoped fields come last
//
// The format text is fmt's: {} the next unnamed argument, {0} that unnamed argument, {name}, and
// specifications behind a colon. It is parsed once per site. A mistake in it never throws and never
// hides data; it shows: "{:d}!(string abc)", "{0}!(missing)", "{!(unclosed)", " !(extra i32 5)".
//
// Threading: a MessagePlan is read-only after construction. No allocation when rendering, except by
// specifications whose result is longer than 500 bytes, state patches and built-in records.
#ifndef SLUICE_SRC_RECORD_MESSAGE_H_
#define SLUICE_SRC_RECORD_MESSAGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "record/builtin.h"
#include "record/entry.h"
#include "record/escape.h"
#include "record/fields.h"
#include "record/format_spec.h"
#include "record/site_cache.h"

namespace sluice {

class MessagePlan {
 public:
  // Whether fields that the format text does not use stand in the message too. Forms that show
  // fields elsewhere leave them out.
  enum class Fields : u8 { kAppend, kOmit };

  // `site` must outlive the plan. The plan renders text escaped for `form`.
  MessagePlan(const Site& site, TextForm form, Fields fields);

  // `entry` must be of this plan's site.
  [[nodiscard]] char* put(const Entry& entry, TextBuffer& out, char* at) const;

 private:
  enum class Step : u8 {
    kNothing,
    kI64,
    kU64,
    kF64,
    kText,
    kOther,
    kSpec,
    kMisfit,
    kName,
    kUnit,
    kExtra
  };
  struct Part {  // a literal, then a value
    u32 literal_at = 0;
    u32 literal_bytes = 0;
    Step step = Step::kNothing;
    u8 argument = 0;
    u16 spec = 0;
  };

  template <TextForm form>
  char* put_parts(const RecordView& record, TextBuffer& out, char* at) const;
  char* put_rare(const Part& part, const RecordView& record, TextBuffer& out, char* at) const;
  char* put_state(const Entry& entry, TextBuffer& out, char* at) const;

  const Site& site_;
  TextForm form_;
  Fields mode_;
  bool builtin_;
  u32 unused_ = 0;  // bit i: argument i does not stand in the format text
  std::vector<Part> parts_;
  std::string literals_;  // escaped, with 16 bytes to spare so that copies may be wide
  std::vector<FormatSpec> specs_;
  FieldPlan fields_;
};

// Messages on their own, in the text form: for filters, the store, and callbacks.
class MessageText {
 public:
  // Valid until the next call. Single-owner; forget_sites() after Dictionary::clear().
  [[nodiscard]] std::string_view of(const Entry& entry);
  void forget_sites() { plans_.clear(); }

 private:
  SiteCache<MessagePlan> plans_;
  TextBuffer text_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_MESSAGE_H_
