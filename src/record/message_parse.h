// Splits a format text into literals and replacement fields. Used by MessagePlan only.
//
// Threading: a value. Failure: none; what does not parse comes out as a literal that says so.
#ifndef SLUICE_SRC_RECORD_MESSAGE_PARSE_H_
#define SLUICE_SRC_RECORD_MESSAGE_PARSE_H_

#include <string>
#include <string_view>
#include <vector>

#include "record/format_spec.h"
#include "record/site.h"

namespace sluice {

struct MessageField {
  std::string literal;  // before the field, not escaped
  int argument = -1;    // -1: none, the text ends with this literal
  bool plain = true;    // "{}" without a specification
  bool fits = true;     // the specification suits the argument
  FormatSpec spec;
};

struct ParsedMessage {
  std::vector<MessageField> fields;
  u32 used = 0;  // bit i: visible argument i of the record stands in the message
};

[[nodiscard]] ParsedMessage parse_message(const Site& site);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_MESSAGE_PARSE_H_
