// A sink's configuration in the region's sink table, so that recovery can make the sink again.
//
//   SinkEntry::path     absolute
//   SinkEntry::options  text, a line each: key=value; keys that are not known are ignored, those
//                       that are missing have their defaults (docs/formats/region.md)
//
// Threading: plain functions. Trust: read_entry() takes an entry that anybody may have written and
// accepts only what check_config() accepts.
#ifndef SLUICE_SRC_SINK_SINK_TABLE_H_
#define SLUICE_SRC_SINK_SINK_TABLE_H_

#include <string_view>

#include "back/sink.h"
#include "base/status.h"

namespace sluice::sink {

// What must hold of every configuration: what is wrong, where, how to mend it.
[[nodiscard]] Status check_config(const back::SinkConfig& config);

// Writes all of the entry that says what the sink is. `config` has passed check_config().
void write_entry(const back::SinkConfig& config, region::SinkEntry& entry);

// The configuration of an entry; of a callback sink without the function (can_be_rebuilt()).
[[nodiscard]] Result<back::SinkConfig> read_entry(const region::SinkEntry& untrusted);

// The place of a collector in a program's table: the store that it drains the region into.
inline constexpr std::string_view kCollectorsPlace = "sluice collector";
[[nodiscard]] bool is_collectors(const region::SinkEntry& untrusted);

// Whether a process other than the one that configured it can have this sink.
[[nodiscard]] constexpr bool can_be_rebuilt(SinkKind kind) { return kind != SinkKind::callback; }

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_SINK_TABLE_H_
