// Values of types that have an fmt::formatter: #include <sluice/fmt.h> beside it.
//
// Formatted in the caller, with "{}"; the record holds the text. A formatter that throws gives
// "!(threw ...)". Ranges and the types of sluice/std.h are that header's; a sluice_value() of the
// type's goes first.
#ifndef SLUICE_FMT_H_
#define SLUICE_FMT_H_

#include <fmt/format.h>

#include <iterator>

#include "sluice/detail/caller_text.h"

namespace sluice {
inline namespace v1 {
namespace detail {

template <class T>
  requires fmt::is_formattable<T>::value
inline constexpr bool kFmtValue<T> = true;

template <OnlyFormatted T>
  requires kFmtValue<T>
struct Holder<T> {
  std::string text;
  explicit Holder(const T& from) noexcept
      : text(caller_text(
            [&](std::string& to) { fmt::format_to(std::back_inserter(to), "{}", from); })) {}
  [[nodiscard]] auto encode() const noexcept { return value_of(text); }
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_FMT_H_
