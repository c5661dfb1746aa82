// The fields of a record: named arguments, and the scoped context.
//
// A FieldPlan is worked out once per site: which arguments are fields, and under which keys. A key
// that occurs twice gets a suffix ("user", "user_2"), so that no JSON object repeats one.
//
// Threading: values, read-only after construction. No allocation when rendering but that of `out`.
#ifndef SLUICE_SRC_RECORD_FIELDS_H_
#define SLUICE_SRC_RECORD_FIELDS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "record/decode.h"
#include "record/text_buffer.h"

namespace sluice {

// What walks over fields one by one; `key` as JSON, with its quotes.
class FieldVisitor {
 public:
  virtual void field(std::string_view key, const Value& value) = 0;

 protected:
  ~FieldVisitor() = default;
};

class FieldPlan {
 public:
  // `taken` are keys that the record's line uses itself (logfmt has one namespace only). `without`:
  // so many of the first fields are left out.
  explicit FieldPlan(const Site& site, std::span<const std::string_view> taken = {},
                     u32 without = 0);

  [[nodiscard]] bool empty() const { return keys_.empty() && payload_ < 0; }
  // Not empty, and not one unnamed JSON argument that is the whole object (event, state, track).
  [[nodiscard]] bool has_payload() const { return payload_ >= 0; }

  // {"key":value,...}; with a payload, the payload (as {"arg0":...} when it is no object).
  [[nodiscard]] char* put_json(TextBuffer& out, char* at, const RecordView& record) const;
  // The same, field by field; a payload that is an object as its members.
  void visit(const RecordView& record, FieldVisitor& visitor) const;
  // " key=value" for each; with a payload, " payload={...}".
  [[nodiscard]] char* put_logfmt(TextBuffer& out, char* at, const RecordView& record) const;
  // The same for people, of the arguments in the bit set `which`; a payload without its key.
  [[nodiscard]] char* put_text(TextBuffer& out, char* at, const RecordView& record,
                               u32 which) const;

 private:
  struct Key {
    u32 argument;
    std::string json;    // "user":
    std::string logfmt;  // " user="
    bool by_name;        // see shown_value()

    [[nodiscard]] Value value_in(const RecordView& record) const;
  };
  std::vector<Key> keys_;
  int payload_ = -1;
};

// The name of a visible argument as a field: its own, otherwise "argN".
[[nodiscard]] std::string field_name(const Site& site, u32 argument);

// `first`: members that come before it, as JSON.
[[nodiscard]] char* put_json_context(TextBuffer& out, char* at, const FieldBlock& context,
                                     std::string_view first = {});
// Keys are `prefix` and the field's name.
void visit_context(const FieldBlock& context, std::string_view prefix, FieldVisitor& visitor);
// " prefixkey=value" for each.
[[nodiscard]] char* put_logfmt_context(TextBuffer& out, char* at, const FieldBlock& context,
                                       std::string_view prefix);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_FIELDS_H_
