// Making text from anywhere safe to print, and safe inside a JSON string.
//
// Escaped are: bytes below 0x20, DEL, C1 controls, line and paragraph separators, the
// bidirectional controls (with which a text can be made to look like another), and every byte that
// is not valid UTF-8. So no output holds a terminal escape or an inner line break.
//
//             text      JSON string   stored
//   newline   \n        \n            as is    (also \t \r; JSON: \b \f)
//   NUL       \x00      \u0000        \x00
//   ESC       \x1b      \u001b        as is
//   U+202E    \u202e    \u202e        as is
//   byte ff   \xff      \\xff         \xff     (JSON: reads back as the four characters \xff)
//   " and \   as is     \" and \\     as is
//
// The stored form is for places that hold any text in UTF-8 without NUL, not for output.
//
// The text form is for people: it leaves backslashes alone and cannot be undone. JSON can, but for
// invalid bytes.
//
// Threading: thread-safe, never blocks; allocates only as TextBuffer does. Speed: clean text is
// checked while it is copied, 16 bytes at a time.
#ifndef SLUICE_SRC_RECORD_ESCAPE_H_
#define SLUICE_SRC_RECORD_ESCAPE_H_

#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "record/text_buffer.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice {

enum class TextForm : u8 { kText, kJson, kStored };

namespace internal {

// High bit set in (at least) the first byte that needs more than a copy; 0 when none does.
template <TextForm form>
constexpr u64 dirty_bytes(u64 x) {
  constexpr u64 kOnes = 0x0101010101010101;
  if constexpr (form == TextForm::kStored) return (x | (x - kOnes)) & (kOnes * 0x80);
  u64 dirty = x | (x - kOnes * 0x20) | ((x ^ (kOnes * 0x7f)) - kOnes);
  if constexpr (form == TextForm::kJson) {
    dirty |= ((x ^ (kOnes * '"')) - kOnes) | ((x ^ (kOnes * '\\')) - kOnes);
  }
  return dirty & (kOnes * 0x80);
}

// Copies up to `size` bytes and returns how many at the start are surely clean. May write up to 16
// bytes past those.
template <TextForm form>
inline std::size_t copy_clean(char* to, const char* from, std::size_t size) {
  std::size_t done = 0;
#if defined(__SSE2__)
  while (size - done >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + done));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + done), x);
    // Signed compares: bytes from 0x80 on are below zero, so not above 0x1f.
    constexpr bool stored = form == TextForm::kStored;
    __m128i clean = _mm_cmpgt_epi8(x, _mm_set1_epi8(stored ? 0 : 0x1f));
    if constexpr (!stored) clean = _mm_and_si128(clean, _mm_cmplt_epi8(x, _mm_set1_epi8(0x7f)));
    if constexpr (form == TextForm::kJson) {
      const __m128i quote = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                         _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
      clean = _mm_andnot_si128(quote, clean);
    }
    const auto mask = unsigned(_mm_movemask_epi8(clean)) ^ 0xffffu;
    if (mask != 0) return done + unsigned(__builtin_ctz(mask));
    done += 16;
  }
#endif
  while (size - done >= 8) {
    const u64 x = load<u64>(from + done);
    store(to + done, x);
    if (dirty_bytes<form>(x) != 0) return done;
    done += 8;
  }
  if (size - done >= 4) {
    const u32 x = load<u32>(from + done);
    store(to + done, x);
    if (dirty_bytes<form>(x | (u64{0x20202020} << 32)) != 0) return done;
    done += 4;
  }
  while (done < size) {
    const char c = from[done];
    if (dirty_bytes<form>(u8(c) | 0x2020202020202000) != 0) return done;
    to[done++] = c;
  }
  return done;
}

template <TextForm form>
char* put_escaped_slow(TextBuffer& out, char* at, std::string_view text);

}  // namespace internal

template <TextForm form>
[[nodiscard]] inline char* put_escaped(TextBuffer& out, char* at, std::string_view text) {
  at = out.room(at, text.size());
  const std::size_t clean = internal::copy_clean<form>(at, text.data(), text.size());
  at += clean;
  if (clean == text.size()) return at;
  return internal::put_escaped_slow<form>(out, at, text.substr(clean));
}

[[nodiscard]] inline char* put_escaped(TextForm form, TextBuffer& out, char* at,
                                       std::string_view text) {
  switch (form) {
    case TextForm::kText:
      return put_escaped<TextForm::kText>(out, at, text);
    case TextForm::kJson:
      return put_escaped<TextForm::kJson>(out, at, text);
    case TextForm::kStored:
      break;
  }
  return put_escaped<TextForm::kStored>(out, at, text);
}

// Text that needs no escape: literals and parts escaped before.
[[nodiscard]] inline char* put_raw(TextBuffer& out, char* at, std::string_view text) {
  at = out.room(at, text.size());
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

// For what is worked out once per site.
[[nodiscard]] std::string escaped(TextForm form, std::string_view text);

// Length of the UTF-8 sequence that `text` begins with and its code point; 0 when it begins with
// none (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). `text` is not empty.
[[nodiscard]] std::size_t decode_utf8(std::string_view text, u32& code_point);

// C1 controls, line separators and bidirectional controls: never printed as they are.
[[nodiscard]] bool is_unsafe_code_point(u32 code_point);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_ESCAPE_H_
