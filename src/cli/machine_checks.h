// What `sluice doctor` looks at: each check tries what a program does, instead of guessing from
// settings, and leaves nothing behind.
//
// Threading: the main thread. Blocking: as the file systems that are looked at.
#ifndef SLUICE_SRC_CLI_MACHINE_CHECKS_H_
#define SLUICE_SRC_CLI_MACHINE_CHECKS_H_

#include <string>
#include <vector>

#include "runtime/config.h"

namespace sluice::cli {

enum class State {
  kGood,
  kNote,     // it works, with less than it could
  kProblem,  // something that is promised does not hold
};

struct Finding {
  std::string check;
  State state;
  std::string what;
  std::string mend;  // of a problem or a note: what to do
};

// Makes a region as a program with these options would, and removes it.
[[nodiscard]] Finding check_region(const runtime::Config& config);
// Who else may look into the directory of regions, and for how many more there is room.
[[nodiscard]] std::vector<Finding> check_region_directory(const runtime::Config& config);
// What a sink's records survive, if there is a region.
[[nodiscard]] Finding check_sink_promise(const runtime::Config& config, std::size_t index,
                                         bool region);
// Of a directory that logs or streams go to: rights, room, what its file system can do.
[[nodiscard]] Finding check_directory(const std::string& directory);
[[nodiscard]] Finding check_descriptors();
[[nodiscard]] Finding check_file_size();
// Whether the processor's counter may be used as a clock, and agrees with the kernel's clocks.
[[nodiscard]] Finding check_clock();
[[nodiscard]] Finding check_barrier();

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_MACHINE_CHECKS_H_
