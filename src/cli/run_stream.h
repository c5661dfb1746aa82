// sluice run --stream: what a program says goes into a stream, a line a record.
//
// Threading: the main thread. Blocking: until the program has ended and its lines are in the files.
#ifndef SLUICE_SRC_CLI_RUN_STREAM_H_
#define SLUICE_SRC_CLI_RUN_STREAM_H_

#include <string>
#include <vector>

#include "cli/stream_options.h"
#include "cli/wrapped.h"

namespace sluice::cli {

// The exit code. `wrapped` is never destroyed; `quiet`: no summary.
[[nodiscard]] int run_into_stream(Wrapped& wrapped, const std::vector<std::string>& command,
                                  const StreamCommand& into, bool quiet);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_RUN_STREAM_H_
