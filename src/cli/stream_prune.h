// sluice stream prune, added to `sluice stream`.
#ifndef SLUICE_SRC_CLI_STREAM_PRUNE_H_
#define SLUICE_SRC_CLI_STREAM_PRUNE_H_

#include "cli/command.h"

namespace sluice::cli {

void add_stream_prune(CLI::App& stream, Chosen& chosen);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STREAM_PRUNE_H_
