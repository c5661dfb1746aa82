// The SLUICE_* variables that override options (docs/configuration.md).
//
// Threading: as the process's environment.
#ifndef SLUICE_SRC_RUNTIME_ENVIRONMENT_H_
#define SLUICE_SRC_RUNTIME_ENVIRONMENT_H_

#include "runtime/config.h"
#include "runtime/mistakes.h"

namespace sluice::runtime {

// Changes `config` to what the variables say; adds every mistake in them.
void read_environment(Config& config, Mistakes& mistakes);

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_ENVIRONMENT_H_
