#include "os/path.h"

#include "os/process.h"

namespace sluice::os {

std::string absolute_path(std::string_view path) {
  if (path.empty() || path.starts_with('/')) return std::string(path);
  return current_directory() + "/" + std::string(path);
}

}  // namespace sluice::os
