#include "cli/store_option.h"

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"
#include "store/schema.h"
#include "store/text_match.h"

namespace sluice::cli {

void add_store_option(CLI::App& app, std::string& store) {
  app.add_option("--store", store, "The database (default: SLUICE_STORE)")->type_name("FILE");
}

void check_store_option(std::string& store, std::vector<std::string>& mistakes) {
  if (store.empty()) store = os::environment("SLUICE_STORE");
  if (store.empty()) mistakes.push_back("no store; name it by --store FILE");
}

void add_match_option(CLI::App& app, std::optional<std::string>& match) {
  app.add_option("--match", match,
                 "Messages with these words: disk full, \"a phrase\", wor*, AND, OR, NOT")
      ->type_name("EXPR");
}

void check_match(const std::optional<std::string>& match, std::vector<std::string>& mistakes) {
  if (!match) return;
  const auto made = storage::TextMatcher::make(*match);
  if (!made.ok()) mistakes.push_back("--match: " + made.status().message());
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

std::unique_ptr<storage::Connection> open_store(const std::string& path,
                                                std::vector<std::string>& mistakes) {
  if (path.empty()) return nullptr;
  auto opened = open_store(path, storage::Access::kRead);
  if (opened.ok()) return std::move(opened.value());
  mistakes.push_back(opened.status().message());
  return nullptr;
}

int exit_code_of(const Status& status) {
  if (status.ok()) return kDone;
  const bool later =
      status.error_class() == ErrorClass::kRetryable || status.error_class() == ErrorClass::kRotate;
  return later ? kProblem : kUsage;
}

}  // namespace sluice::cli
