// One condition of `sluice selftest`: a program that logs while something goes wrong.
//
// Runs in a process of its own, which starts the library, brings about the condition, makes and
// times its calls, lifts the condition, stops, and counts what arrived. Its report is one JSON
// object a line on standard output.
#ifndef SLUICE_SRC_CLI_TRIAL_H_
#define SLUICE_SRC_CLI_TRIAL_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::cli {

struct Condition {
  std::string_view name;
  std::string_view about;
};
[[nodiscard]] const std::vector<Condition>& conditions();

struct TrialReport {
  std::string condition;
  std::string skipped;  // why it could not be tried
  u64 attempted = 0;    // counted by the caller
  u64 admitted = 0;
  u64 dropped = 0;        // refused calls, counted by the caller
  u64 delivered = 0;      // counted where they arrive
  u64 counted_drops = 0;  // by the library
  double p50_ns = 0;
  double p999_ns = 0;
  double max_ns = 0;
  u64 waits = 0;  // voluntary context switches inside the calls
  u64 preempted = 0;
  u64 page_faults = 0;

  [[nodiscard]] bool conserved() const {
    return attempted == admitted + dropped && delivered == admitted && counted_drops == dropped;
  }
  [[nodiscard]] bool passed() const { return skipped.empty() && waits == 0 && conserved(); }
};

// In the process of the trial. Prints "freeze TID" and waits to be frozen where the condition asks
// for it; prints "measured" when it may be thawed.
[[nodiscard]] TrialReport run_trial(std::string_view condition, u64 calls);

[[nodiscard]] std::string to_json(const TrialReport& report);
[[nodiscard]] bool from_json(std::string_view line, TrialReport& report);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_TRIAL_H_
