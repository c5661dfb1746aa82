// Names of streams, and of their files in a directory:
//
//   payment.log                           the file that is written
//   payment_2026-01-02_18-55-02_1.log     finished at that time (UTC), with a number that rises
//   .streams                              which stream has which file names (stream/directory.h)
//
// Threading: plain functions. Nothing here touches the file system.
#ifndef SLUICE_SRC_STREAM_NAMES_H_
#define SLUICE_SRC_STREAM_NAMES_H_

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::stream {

// A stem leaves room for what stands behind it in a name of 255 bytes.
inline constexpr std::size_t kStemBytesMax = 200;

// `name` as a stem for files: / \ : * ? " < > | blanks, control characters and what is not UTF-8
// become '_', so does a '.' or '-' at its start; cut at kStemBytesMax, between characters.
[[nodiscard]] std::string stem_of(std::string_view name);
// A stem that this name has for itself when stem_of() is taken, cut, or like a finished file's.
[[nodiscard]] std::string stem_with_hash(std::string_view name);
// Whether stem_of() must not be used for it, whoever has it.
[[nodiscard]] bool needs_hash(std::string_view name);

[[nodiscard]] std::string finished_name(std::string_view stem, i64 wall_ns, u64 number);
// The stem and number of a finished file's name; number 0: it is none.
struct FinishedName {
  std::string_view stem;
  std::string_view time;
  u64 number = 0;
};
[[nodiscard]] FinishedName parse_finished(std::string_view file_name);

// One line's worth of any name, and back.
[[nodiscard]] std::string percent_encoded(std::string_view name);
[[nodiscard]] std::string percent_decoded(std::string_view text);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_NAMES_H_
