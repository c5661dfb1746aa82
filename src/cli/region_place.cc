#include "cli/region_place.h"

#include "cli/command.h"
#include "os/process.h"

namespace sluice::cli {

std::string region_place(const std::string& option, std::vector<std::string>& mistakes) {
  constexpr const char* kVariable = "SLUICE_REGION_DIRECTORY";
  const bool by_option = !option.empty();
  const std::string directory = by_option ? option : os::environment(kVariable);
  const std::string mistake = directory_mistake(by_option ? "--directory" : kVariable, directory);
  if (!mistake.empty()) mistakes.push_back(mistake);
  return directory;
}

}  // namespace sluice::cli
