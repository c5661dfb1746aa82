// What stands in front of the message in a line of text, as our default pattern writes it and as
// most programs do: time, level, [thread id], file:line.
//
// Threading: plain function. Bounded: looks at the beginning of the line only.
#ifndef SLUICE_SRC_CLI_TEXT_HEADER_H_
#define SLUICE_SRC_CLI_TEXT_HEADER_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "sluice/level.h"

namespace sluice::cli {

struct TextHeader {
  std::optional<i64> wall_ns;
  std::optional<Level> level;
  u32 tid = 0;
  std::string source;
  std::string_view message;  // the rest of the line
};

[[nodiscard]] TextHeader parse_text_header(std::string_view line);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_TEXT_HEADER_H_
