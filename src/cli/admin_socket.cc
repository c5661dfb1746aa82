#include "cli/admin_socket.h"

#include "collector/config.h"
#include "os/path.h"

namespace sluice::cli {

std::string admin_socket(const std::string& option, std::vector<std::string>& mistakes) {
  collector::ServeConfig config;
  collector::read_variables(config, mistakes);
  if (!mistakes.empty()) return {};
  collector::default_places(config);
  return option.empty() ? config.admin_socket : os::absolute_path(option);
}

}  // namespace sluice::cli
