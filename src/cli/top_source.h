// Where `sluice top` has its figures from: the regions of programs, or a collector.
//
// Threading: the main thread. Blocking: as reads of tmpfs; a collector's, until it answers or its
// time is over.
#ifndef SLUICE_SRC_CLI_TOP_SOURCE_H_
#define SLUICE_SRC_CLI_TOP_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/region_rates.h"

namespace sluice::cli {

// What is to be shown.
struct TopScope {
  std::vector<std::string> processes;  // numbers or products; none: every process
  std::string directory;               // where regions are looked for
  std::string socket;                  // of a collector; empty: this user's
  i64 timeout_ns = 0;                  // for its answer
  bool once = false;
  int stop_fd = -1;  // can be read when a signal has come: nothing is waited for any more
};

class TopSource {
 public:
  virtual ~TopSource() = default;
  TopSource() = default;
  TopSource(const TopSource&) = delete;
  TopSource& operator=(const TopSource&) = delete;

  // The first look, from which on is counted. Anything but kDone: why was said.
  [[nodiscard]] virtual ExitCode begin() = 0;
  // Called often between two looks; at most until then.
  virtual void read_on(i64 until_ns) = 0;

  struct Look {
    std::vector<RegionRate> rates = {};  // since the last one
    std::string trouble = {};            // why there are none; empty: there is nothing
    ExitCode code = kDone;               // of a command that ends here
    bool is_last = false;                // every process that was named has ended
  };
  [[nodiscard]] virtual Look look() = 0;
};

[[nodiscard]] std::unique_ptr<TopSource> regions_source(const TopScope& scope);
[[nodiscard]] std::unique_ptr<TopSource> collector_source(const TopScope& scope);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_TOP_SOURCE_H_
