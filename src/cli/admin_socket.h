// Where a collector's admin socket is.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_ADMIN_SOCKET_H_
#define SLUICE_SRC_CLI_ADMIN_SOCKET_H_

#include <string>
#include <vector>

namespace sluice::cli {

// As the option --socket says, else as the daemon's variables do, else this user's.
[[nodiscard]] std::string admin_socket(const std::string& option,
                                       std::vector<std::string>& mistakes);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_ADMIN_SOCKET_H_
