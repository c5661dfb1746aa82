#include "runtime/variables.h"

#include <algorithm>
#include <string_view>

#include "os/process.h"
#include "record/escape.h"
#include "runtime/nearest.h"
#include "sluice/trace.h"

namespace sluice::runtime {
namespace {

// What docs/configuration.md lists.
constexpr std::string_view kKnown[] = {
    "SLUICE_LEVEL",
    "SLUICE_SITE_LEVEL",
    "SLUICE_SITE_LIMIT",
    "SLUICE_BACKTRACE",
    "SLUICE_TEXT",
    "SLUICE_JSON_LINES",
    "SLUICE_JSON_SCHEMA",
    "SLUICE_LOGFMT",
    "SLUICE_SYSLOG",
    "SLUICE_SYSLOG_FACILITY",
    "SLUICE_JOURNALD",
    "SLUICE_SEGMENTS",
    "SLUICE_STORE",
    "SLUICE_STORE_FULL_TEXT",
    "SLUICE_STORE_KEEP_AGE",
    "SLUICE_STORE_KEEP_BYTES",
    "SLUICE_STORE_KEEP_ROWS",
    "SLUICE_STORE_KEEP_WHOLE_RUNS",
    "SLUICE_FILE_ROTATE_BYTES",
    "SLUICE_FILE_ROTATE_AGE",
    "SLUICE_FILE_ROTATE_AT",
    "SLUICE_FILE_KEEP_FILES",
    "SLUICE_FILE_COMPRESS",
    "SLUICE_FILE_KEEP_AGE",
    "SLUICE_FILE_KEEP_BYTES",
    "SLUICE_CONSOLE",
    "SLUICE_COLLECTOR",
    "SLUICE_COLLECTOR_SOCKET",
    "SLUICE_METRICS_INTERVAL_MS",
    "SLUICE_MEASURE_CALLS",
    "SLUICE_MODE",
    "SLUICE_OVERFLOW",
    "SLUICE_BLOCK_DEADLINE_MS",
    "SLUICE_RING_BYTES",
    "SLUICE_JOURNAL_BYTES",
    "SLUICE_MERGE_WINDOW_US",
    "SLUICE_STOP_DEADLINE_MS",
    "SLUICE_SYNC_INTERVAL_MS",
    "SLUICE_SITES_MAX",
    "SLUICE_PRODUCT",
    "SLUICE_RUN_ID",
    "SLUICE_REGION_DIRECTORY",
    "SLUICE_RECOVER",
    "SLUICE_QUIET",
    "SLUICE_REDACT",
};
// Of the daemon, the scripts, the tests and the build; programs that these start inherit them.
constexpr std::string_view kOfOthers[] = {"SLUICE_NO_INSTALL", "SLUICE_FUZZ_SECONDS",
                                          "SLUICE_REGENERATE", "SLUICE_SANITIZE"};
constexpr std::string_view kPrefixesOfOthers[] = {"SLUICE_TEST_", "SLUICE_BUILD_", "SLUICE_SERVE_"};

bool is_known(std::string_view name) {
  return std::ranges::find(kKnown, name) != std::end(kKnown) ||
         std::ranges::find(kOfOthers, name) != std::end(kOfOthers) ||
         std::ranges::any_of(kPrefixesOfOthers,
                             [name](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

std::vector<std::string> unknown_variables() {
  std::vector<std::string> sentences;
  for (const std::string& name : os::environment_names("SLUICE_")) {
    if (is_known(name)) continue;
    sentences.push_back(escaped(TextForm::kText, name) +
                        " is no variable of Sluice; did you mean " +
                        std::string(nearest(name, kKnown)) + "?");
  }
  const std::string trace = os::environment("TRACEPARENT");
  if (TraceContext context; !trace.empty() && !context.parse(trace)) {
    sentences.push_back("TRACEPARENT is no W3C trace context and is ignored: " +
                        escaped(TextForm::kText, trace.substr(0, 80)) +
                        "; it is 00-TRACE_ID-SPAN_ID-FLAGS in 32, 16 and 2 lower-case hex digits");
  }
  return sentences;
}

}  // namespace sluice::runtime
