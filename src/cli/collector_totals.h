// What a collector answers to "top" (collector/top_answer.h), read. The answer is of a stranger:
// what is not as it should be counts nothing.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_CLI_COLLECTOR_TOTALS_H_
#define SLUICE_SRC_CLI_COLLECTOR_TOTALS_H_

#include <string>
#include <string_view>
#include <vector>

#include "collector/process_totals.h"

namespace sluice::cli {

struct CollectorTotals {
  struct Process {
    collector::ProcessTotals totals;
    u64 since = 0;  // another one: its sums have begun anew
    bool over = false;
  };
  u64 pid = 0;  // of the collector
  std::vector<Process> processes;
  u64 left_out = 0;
};

// An error says why it is none, in a sentence without its subject.
[[nodiscard]] Result<CollectorTotals> read_totals(std::string_view untrusted_answer);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_COLLECTOR_TOTALS_H_
