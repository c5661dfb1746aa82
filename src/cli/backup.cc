// sluice backup: a copy of a store while programs write it, of one moment and checked.
#include "store/backup.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.h"
#include "cli/new_file.h"
#include "cli/store_option.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

using storage::Access;
using storage::Connection;

constexpr i64 kProgressEveryNs = 200'000'000;

struct BackupCommand {
  std::string store;
  std::string to;
  bool force = false;
  bool quiet = false;
};

void check_target(const BackupCommand& command, const std::string& store, const NewFile& file,
                  std::vector<std::string>& mistakes) {
  file.check("TO", mistakes);
  os::Io& io = os::real_io();
  os::FileInfo from, to;
  const bool there = io.stat_followed(command.to.c_str(), to) == 0;
  if (there && io.stat_followed(store.c_str(), from) == 0 && from.device == to.device &&
      from.inode == to.inode) {
    mistakes.push_back("TO: " + in_quotes(command.to) + " is the store itself; name another file");
    return;
  }
  // Whoever has it open would go on with the old file, and its log would spoil the new one.
  for (const char* const suffix : {"-wal", "-journal"}) {
    if (io.stat((command.to + suffix).c_str(), to) == 0) {
      mistakes.push_back("TO: " + in_quotes(command.to) + " is a database in use: there is " +
                         in_quotes(command.to + suffix) + "; name another file");
    }
  }
}

// On a terminal, in one line that is written over.
class Progress {
 public:
  explicit Progress(bool wanted) : shown_(wanted && os::is_terminal(2)) {}
  ~Progress() {
    if (any_) say("\r\x1b[K");
  }
  bool operator()(u64 done, u64 all) {
    const i64 now = os::monotonic_ns();
    if (!shown_ || all == 0 || now - last_ns_ < kProgressEveryNs) return true;
    last_ns_ = now;
    any_ = true;
    say("\r" + std::to_string(done * 100 / all) + " % of " + std::to_string(all) + " pages\x1b[K");
    return true;
  }

 private:
  static void say(const std::string& text) { (void)os::write_fully(2, text.data(), text.size()); }
  const bool shown_;
  bool any_ = false;
  i64 last_ns_ = 0;
};

// Into the temporary file, which is closed again at the end.
Status make_copy(Connection& store, const std::string& path, bool quiet) {
  auto opened = Connection::open(path, Access::kCreate);
  if (!opened.ok()) return opened.status();
  Connection& copy = *opened.value();
  Status status = copy.run("PRAGMA synchronous = OFF");  // synced as a whole, later
  if (!status.ok()) return status;
  {
    Progress progress(!quiet);
    status = copy_database(store, copy, std::ref(progress));
  }
  if (!status.ok()) return status;
  Result<storage::Statement> check = copy.prepare("PRAGMA quick_check(1)");
  if (!check.ok()) return check.status();
  const Result<bool> row = check.value().step();
  if (!row.ok()) return row.status();
  const std::string said(check.value().text(0));
  check.value().reset();
  if (said == "ok") return {};
  return {ErrorClass::kRotate,
          store.path() + ": the store is damaged, so is a copy of it: " + said};
}

int backup(const BackupCommand& command) {
  std::vector<std::string> mistakes;
  std::string path = command.store;
  check_store_option(path, mistakes);
  NewFile file(command.to, command.force);
  check_target(command, path, file, mistakes);
  Result<std::unique_ptr<Connection>> store = fatal("");
  if (!path.empty()) {
    store = open_store(path, Access::kRead, kLockWaitMs);
    if (!store.ok()) mistakes.push_back(store.status().message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  Status status = make_copy(*store.value(), file.temporary(), command.quiet);
  if (status.ok()) status = file.commit();
  if (status.ok()) return kDone;
  complain(status.message());
  return kProblem;
}

}  // namespace

void add_backup(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("backup", "Copy a store while it is written");
  auto command = std::make_shared<BackupCommand>();
  sub->add_option("to", command->to, "The new file")->type_name("TO")->required();
  sub->add_option("--store", command->store, "The database (default: SLUICE_STORE)")
      ->type_name("FILE");
  sub->add_flag("--force", command->force, "Replace TO when it is there");
  sub->add_flag("--quiet", command->quiet, "No progress on the terminal");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "The copy is of the moment it began, and is checked before it gets its name. Exit code 0;\n"
      "1 it could not be made; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return backup(*command); }; });
}

}  // namespace sluice::cli
