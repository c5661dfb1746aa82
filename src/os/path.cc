#include "os/path.h"

#include "os/process.h"

namespace sluice::os {

bool is_absolute(std::string_view path) { return path.starts_with('/'); }

std::string absolute_path(std::string_view path) {
  if (path.empty() || is_absolute(path)) return std::string(path);
  return current_directory() + "/" + std::string(path);
}

}  // namespace sluice::os
