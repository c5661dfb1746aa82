#include "collector/own_log.h"

#include <algorithm>

#include "base/durations.h"
#include "os/process.h"
#include "sluice/sluice.h"

namespace sluice::collector {
namespace {

constexpr std::string_view kLogger = "collector";
constexpr std::string_view kRegionVariable = "SLUICE_REGION_DIRECTORY";
constexpr std::string_view kOwnPrefix = "SLUICE_SERVE_";

}  // namespace

std::string forget_variables_of_programs() {
  std::string store;
  for (const std::string& name : os::environment_names("SLUICE_")) {
    if (name == kRegionVariable || name.starts_with(kOwnPrefix)) continue;
    const std::string value = os::take_environment(name.c_str());
    if (name == "SLUICE_STORE") store = value;
  }
  return store;
}

Status start_own_log(const ServeConfig& config) {
  const Sink keeping = {.keep_seconds = config.store_keep_seconds,
                        .keep_rows = config.store_keep_rows,
                        .keep_bytes = config.store_keep_bytes,
                        .keep_whole_runs = config.store_keep_whole_runs,
                        .full_text = config.store_full_text};
  const bool started = start({.product = "sluice-serve",
                              .version = SLUICE_VERSION,
                              .level = config.log_level,
                              .sinks = {store_file(config.store_path, keeping)},
                              .stop_deadline_ms = u32(config.stop_deadline_ms),
                              .recover = false,  // the drainer's, which has locks on regions
                              .quiet = true});
  return started ? Status() : fatal(std::string(last_error()));
}

void set_own_level(Level level) { set_level("", level); }

void say(Level level, std::string_view sentence) { (void)log_text(level, kLogger, sentence); }

bool stop_own_log(i64 deadline_ns) {
  set_own_level(Level::info);
  SLUICE_EVENT("run.end", kv("exit_code", 0), kv("reason", "stopped"));
  return stop(u32(std::max<i64>((deadline_ns - os::monotonic_ns()) / kNsPerMs, 1)));
}

std::vector<Figure> own_log_figures() {
  const Stats counts = stats();
  return {{"records_total", Figure::kCounter, counts.attempted,
           "Records that the daemon has said of its own doings."},
          {"dropped_records_total", Figure::kCounter, counts.dropped(),
           "Of these, those that were dropped."}};
}

}  // namespace sluice::collector
