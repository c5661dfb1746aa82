// A library of this machine that is loaded when it is first needed, so that nobody has to have it
// who does not need it.
//
// Threading: thread-safe. Blocking: as the disk. What is loaded stays.
#ifndef SLUICE_SRC_OS_SHARED_LIBRARY_H_
#define SLUICE_SRC_OS_SHARED_LIBRARY_H_

#include <string>

namespace sluice::os {

// Null: it cannot be loaded, and `why` says so.
[[nodiscard]] void* load_library(const char* name, std::string& why);
// Null: it has no such function.
[[nodiscard]] void* find_function(void* library, const char* name);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_SHARED_LIBRARY_H_
