// Names of files. Nothing here looks at the file system, but for the current directory.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_OS_PATH_H_
#define SLUICE_SRC_OS_PATH_H_

#include <string>
#include <string_view>

namespace sluice::os {

// The path from the root on, so that it stays right when the process changes its directory. An
// empty one stays empty.
[[nodiscard]] std::string absolute_path(std::string_view path);
// Whether it names the same file in whatever directory it is used.
[[nodiscard]] bool is_absolute(std::string_view path);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_PATH_H_
