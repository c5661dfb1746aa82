// The SLUICE_* variables that mean something, and those in the environment that do not.
//
// Threading: reads the environment, as getenv() does.
#ifndef SLUICE_SRC_RUNTIME_VARIABLES_H_
#define SLUICE_SRC_RUNTIME_VARIABLES_H_

#include <string>
#include <vector>

namespace sluice::runtime {

// One sentence for each SLUICE_* variable that neither the library nor another tool of the project
// reads, with the nearest name that it does; and for a TRACEPARENT that is none. Safe for a
// terminal.
std::vector<std::string> unknown_variables();

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_VARIABLES_H_
