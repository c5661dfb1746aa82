// A replacement field that says more than "{}": "{:>8.3f}", "{:{}}", "{:%H:%M}".
//
// The specification is checked against the type of its argument once, with a trial value, and
// formatted by fmt at run time. It comes from another program's memory, so a width or precision
// above kSpecNumberMax is refused: it would be an order to allocate.
//
// Threading: values. Failure: fits() and put() say so; nothing throws.
#ifndef SLUICE_SRC_RECORD_FORMAT_SPEC_H_
#define SLUICE_SRC_RECORD_FORMAT_SPEC_H_

#include <string>
#include <vector>

#include "record/decode.h"
#include "record/escape.h"

namespace sluice {

inline constexpr u32 kSpecNumberMax = 1024;

struct FormatSpec {
  // For fmt, with every argument numbered: "{0:>{1}.3f}".
  std::string text;
  // Arguments of the record that {0}, {1}, {2} stand for.
  std::vector<u8> arguments;
  // As the user wrote it, escaped: shown when it cannot be followed.
  std::string source;

  // Whether values of these types can be formatted so.
  [[nodiscard]] bool fits(const Site& site) const;
  // Appends the formatted value, or what is wrong with it ("{:d}!(string abc)").
  [[nodiscard]] char* put(TextForm form, TextBuffer& out, char* at, const RecordView& record) const;
};

// "source!(type value)": how a value shows that cannot be formatted as asked.
[[nodiscard]] char* put_misfit(TextForm form, TextBuffer& out, char* at, std::string_view source,
                               const Value& value);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_FORMAT_SPEC_H_
