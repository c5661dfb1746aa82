// Text built in a fixed buffer: no allocation, always ended by a zero, cut where it does not fit.
// Async-signal-safe.
#ifndef SLUICE_SRC_BASE_FIXED_TEXT_H_
#define SLUICE_SRC_BASE_FIXED_TEXT_H_

#include <string_view>

#include "base/bytes.h"

namespace sluice {

class FixedText {
 public:
  FixedText(char* to, std::size_t size) : at_(to), end_(to + size - 1) { *at_ = '\0'; }

  FixedText& text(std::string_view text) {
    for (const char c : text) {
      if (at_ == end_) {
        cut_ = true;
        break;
      }
      *at_++ = c;
    }
    *at_ = '\0';
    return *this;
  }
  FixedText& number(u64 value, u32 base = 10) {
    char digits[24];
    u32 count = 0;
    do {
      digits[count++] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value);
    while (count) text({&digits[--count], 1});
    return *this;
  }
  [[nodiscard]] bool cut() const { return cut_; }

 private:
  char* at_;
  char* end_;
  bool cut_ = false;
};

// Copies `text` to a fixed field, cut and ended by a zero.
template <std::size_t kSize>
void copy_text(char (&to)[kSize], std::string_view text) {
  FixedText(to, kSize).text(text);
}

// The text in a fixed field that need not have an ending zero.
template <std::size_t kSize>
[[nodiscard]] std::string_view field_text(const char (&field)[kSize]) {
  std::size_t size = 0;
  while (size < kSize && field[size]) ++size;
  return {field, size};
}

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_FIXED_TEXT_H_
