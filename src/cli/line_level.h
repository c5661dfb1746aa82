// The level that a line of some program's output names itself, if it does.
//
// Knows the usual places: `ERROR ...`, `[warn] ...`, `error: ...`, `file.c:3:1: warning: ...`,
// `2025-11-22 10:00:00,123 - app - INFO - ...`, `level=error`, glog's `E1122 10:00:00 ...`, JSON's
// `"level":"error"` (numbers as pino and Bunyan write them), `<3>...` of syslog and systemd, Rust,
// Go, Python and npm's words for a crash.
//
// Threading: plain function. Bounded: looks at the first kLevelScanBytes of the line only.
#ifndef SLUICE_SRC_CLI_LINE_LEVEL_H_
#define SLUICE_SRC_CLI_LINE_LEVEL_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "sluice/level.h"

namespace sluice::cli {

inline constexpr std::size_t kLevelScanBytes = 512;

[[nodiscard]] std::optional<Level> line_level(std::string_view line);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_LINE_LEVEL_H_
