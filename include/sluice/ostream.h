// Values of types that have an operator<< for streams: #include <sluice/ostream.h> beside it.
//
// Written in the caller, in the "C" locale; the record holds the text. An operator that throws
// gives "!(threw ...)". Ranges and the types of sluice/std.h are that header's; a sluice_value() of
// the type's goes first, then an fmt::formatter (sluice/fmt.h).
#ifndef SLUICE_OSTREAM_H_
#define SLUICE_OSTREAM_H_

#include <locale>
#include <sstream>

#include "sluice/detail/caller_text.h"

namespace sluice {
inline namespace v1 {
namespace detail {

template <OnlyFormatted T>
  requires(!kFmtValue<T> && requires(std::ostream& out, const T& value) { out << value; } &&
           // An enum that becomes a number by itself is one.
           !std::is_convertible_v<T, long double>)
struct Holder<T> {
  std::string text;
  explicit Holder(const T& from) noexcept
      : text(caller_text([&](std::string& to) {
          std::ostringstream out;
          out.imbue(std::locale::classic());
          out << from;
          to = out.str();
        })) {}
  [[nodiscard]] auto encode() const noexcept { return value_of(text); }
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_OSTREAM_H_
