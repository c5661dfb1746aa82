// When a JSON object says it was written: a text (RFC 3339), or a number since the epoch, exact to
// the nanosecond as it stands in the line. A double holds no more than a quarter of a microsecond
// of today's seconds, so fractions are read from the text.
//
// Threading: plain function. Failure: none; what is no time gives none.
#ifndef SLUICE_SRC_CLI_JSON_TIME_H_
#define SLUICE_SRC_CLI_JSON_TIME_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace sluice::cli {

// Nanoseconds since the epoch by the first of ts, time, timestamp and @timestamp that is there.
// `line` is the text that `object` was read from.
[[nodiscard]] std::optional<i64> json_time(const nlohmann::ordered_json& object,
                                           std::string_view line);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_JSON_TIME_H_
