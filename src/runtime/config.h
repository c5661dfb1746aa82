// The effective configuration: options, overridden by SLUICE_* variables, with everything checked.
//
// Owned texts: it outlives the caller's options, and a forked child starts from a copy.
#ifndef SLUICE_SRC_RUNTIME_CONFIG_H_
#define SLUICE_SRC_RUNTIME_CONFIG_H_

#include <string>
#include <utility>
#include <vector>

#include "back/sink.h"
#include "front/place_limit.h"
#include "sluice/options.h"

namespace sluice::runtime {

struct Config {
  std::string product;
  std::string version;
  std::string run_id;
  Level level = Level::info;
  std::vector<std::pair<std::string, Level>> logger_levels;
  std::vector<std::pair<std::string, Level>> site_levels;              // by place
  std::vector<std::pair<std::string, front::PlaceLimit>> site_limits;  // by place
  std::vector<std::pair<std::string, u32>> backtraces;                 // records, by logger
  Mode mode = Mode::asynchronous;
  std::vector<back::SinkConfig> sinks;
  u64 ring_bytes = 0;
  u64 journal_bytes = 0;
  Overflow overflow = Overflow::drop_newest;
  u32 block_deadline_ms = 0;
  u32 merge_window_us = 0;
  u32 stop_deadline_ms = 0;
  u32 sync_interval_ms = 0;
  u32 metrics_interval_ms = 0;
  bool measure_calls = false;
  u32 sites_max = 0;
  std::string region_directory;
  bool recover = true;
  Collector collector = Collector::off;
  std::string collector_socket;
  bool console_by_default = false;  // nobody has named a sink
  bool quiet = false;
  std::string redact;
};

// Fills `config`; returns every mistake found, each one line: what, where, how to mend.
std::vector<std::string> make_config(const Options& options, Config& config);

// One a line.
std::string join(const std::vector<std::string>& lines);

// What messages call a sink: the variable it comes from, or its place in the options.
std::string name_of_sink(const Config& config, std::size_t index);

// One `name = value` a line.
std::string to_text(const Config& config);

// An option's sink, owned.
back::SinkConfig sink_config(const Sink& sink);

// Where a store without a name of its own stands: another place each time.
std::string private_store_path();

// "64K", "8MiB", "1G" (powers of 1024) or a plain number. False when it is none.
bool parse_bytes(std::string_view text, u64& out);
// "90s", "30m", "12h", "7d", "4w", "0".
bool parse_age(std::string_view text, u64& seconds);

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_CONFIG_H_
