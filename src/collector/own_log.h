// What the daemon says of its own doings: records of the logger "collector" in its own store, by
// the library that programs use. Nothing is written to standard output or error, where a pipe that
// nobody reads would stop it.
//
// Threading: start and stop by one thread, the rest thread-safe; saying never blocks.
#ifndef SLUICE_SRC_COLLECTOR_OWN_LOG_H_
#define SLUICE_SRC_COLLECTOR_OWN_LOG_H_

#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/service.h"
#include "collector/settings.h"

namespace sluice::collector {

// SLUICE_* variables are for programs: but for where regions are and the daemon's own, they are
// taken out of the environment. Gives back what SLUICE_STORE was. Before there are threads.
std::string forget_variables_of_programs();

[[nodiscard]] Status start_own_log(const ServeConfig& config);
void set_own_level(Level level);
void say(Level level, std::string_view sentence);
// True when everything that was said is stored; else why not is in last_error().
bool stop_own_log(i64 deadline_ns);

[[nodiscard]] std::vector<Figure> own_log_figures();

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_OWN_LOG_H_
