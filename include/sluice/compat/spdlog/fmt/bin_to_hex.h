// spdlog's header of this name, over Sluice: bytes as hexadecimal text.
#ifndef SLUICE_COMPAT_SPDLOG_FMT_BIN_TO_HEX_H_
#define SLUICE_COMPAT_SPDLOG_FMT_BIN_TO_HEX_H_

#include <cctype>
#include <cstddef>
#include <iterator>

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

// Letters of its format: X upper case, s no blanks between bytes, p no positions, n no line breaks,
// a the printable characters behind each line.
template <class It>
struct hex_bytes {
  It begin;
  It end;
  std::size_t line_bytes;
};

template <class Container>
[[nodiscard]] auto to_hex(const Container& bytes, std::size_t line_bytes = 32) {
  static_assert(sizeof(*std::begin(bytes)) == 1, "to_hex() takes bytes");
  return hex_bytes<decltype(std::begin(bytes))>{std::begin(bytes), std::end(bytes), line_bytes};
}
template <class It>
[[nodiscard]] hex_bytes<It> to_hex(It begin, It end, std::size_t line_bytes = 32) {
  return {begin, end, line_bytes};
}

}  // namespace sluice_shim
}  // namespace spdlog

template <class It>
struct fmt::formatter<spdlog::hex_bytes<It>> {
  bool lines = true, blanks = true, positions = true, upper = false, ascii = false;

  template <class Context>
  constexpr auto parse(Context& context) {
    auto at = context.begin();
    for (; at != context.end() && *at != '}'; ++at) {
      if (*at == 'X') upper = true;
      if (*at == 's') blanks = false;
      if (*at == 'p') positions = false;
      if (*at == 'n') lines = ascii = false;
      if (*at == 'a') ascii = lines;
    }
    return at;
  }

  template <class Context>
  auto format(const spdlog::hex_bytes<It>& bytes, Context& context) const {
    const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    auto out = context.out();
    std::size_t position = 0, in_line = 0;
    std::string text;
    for (It at = bytes.begin; at != bytes.end; ++at, ++position) {
      const bool begins = lines && (position == 0 || in_line == bytes.line_bytes);
      if (begins) {
        out = end_line(out, text, 0);
        *out++ = '\n';
        if (positions) out = fmt::format_to(out, "{:04X}: ", position);
        in_line = 0;
      } else if (blanks) {
        *out++ = ' ';
      }
      const auto byte = static_cast<unsigned char>(*at);
      *out++ = digits[byte >> 4];
      *out++ = digits[byte & 15];
      if (ascii) text += std::isprint(byte) != 0 ? static_cast<char>(byte) : '.';
      ++in_line;
    }
    return end_line(out, text, bytes.line_bytes - in_line);
  }

 private:
  // What stands behind the bytes of a line that lacks `missing` of them.
  template <class Out>
  Out end_line(Out out, std::string& text, std::size_t missing) const {
    if (!ascii || text.empty()) return out;
    out = fmt::format_to(out, "{:{}}", "", missing * (blanks ? 3U : 2U) + 2);
    out = fmt::format_to(out, "{}", text);
    text.clear();
    return out;
  }
};

#endif  // SLUICE_COMPAT_SPDLOG_FMT_BIN_TO_HEX_H_
