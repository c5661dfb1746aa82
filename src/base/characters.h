// What kind of character a byte is, in ASCII and whatever the locale.
#ifndef SLUICE_SRC_BASE_CHARACTERS_H_
#define SLUICE_SRC_BASE_CHARACTERS_H_

namespace sluice {

[[nodiscard]] constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_CHARACTERS_H_
