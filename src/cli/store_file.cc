#include "cli/store_file.h"

#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::cli {

std::string store_path(const std::string& option, std::vector<std::string>& mistakes) {
  std::string path = option.empty() ? os::environment("SLUICE_STORE") : option;
  if (path.empty()) mistakes.push_back("no store; name it by --store FILE");
  return path;
}

Result<std::unique_ptr<storage::Connection>> open_store(const std::string& path,
                                                        storage::Access access, int lock_wait_ms) {
  os::FileInfo info;
  if (const int error = os::real_io().stat_followed(path.c_str(), info); error != 0) {
    return fatal("cannot look at " + in_quotes(path) + ": " + os::error_text(error) +
                 "; check the path");
  }
  auto opened = storage::Connection::open(path, access);
  if (!opened.ok()) return opened;
  storage::Connection& store = *opened.value();
  sqlite3_busy_timeout(store.get(), lock_wait_ms);
  sqlite3_limit(store.get(), SQLITE_LIMIT_ATTACHED, 0);
  const Result<storage::SchemaState> state = look_at_schema(store);
  if (!state.ok()) return state.status();
  const Status refused = refuse_unless_current(state.value(), path);
  if (!refused.ok()) return refused;
  return opened;
}

int exit_code_of(const Status& status) {
  if (status.ok()) return kDone;
  const bool later =
      status.error_class() == ErrorClass::kRetryable || status.error_class() == ErrorClass::kRotate;
  return later ? kProblem : kUsage;
}

}  // namespace sluice::cli
