// The `sluice` command: reads the command line, runs one subcommand, returns its exit code.
//
// A mistake in the command line is one sentence and exit code 2. What stands behind the first `--`
// belongs to the program that `run` starts and is not looked at.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "os/child.h"

namespace sluice::cli {
namespace {

constexpr const char* kAbout =
    "Looks after what programs say: wraps them, reads and follows what they wrote, recovers what\n"
    "they left when they were killed.";
constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 something is wrong with what was looked at; 2 a mistake in the command\n"
    "line or configuration; run: the program's own, 128+N for signal N, 126 and 127 when it could\n"
    "not be started. SLUICE_* variables and NO_COLOR are obeyed.";

int mistake(const CLI::App& app, const CLI::ParseError& error) {
  const auto used = app.get_subcommands();
  const std::string name = used.empty() ? "" : " " + used.front()->get_name();
  std::string what = error.what();
  for (char& c : what) c = c == '\n' ? ' ' : c;
  complain(what + "; see `sluice" + name + " --help`");
  return kUsage;
}

// The first word must be a subcommand: CLI11 would only say that one is missing.
bool is_known(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty() || words[0].starts_with('-')) return true;
  std::string names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == words[0]) return true;
    names += (names.empty() ? "" : ", ") + sub->get_name();
  }
  complain(in_quotes(words[0]) + " is no command; there are " + names);
  return false;
}

int run_command(int count, char** values) {
  std::vector<std::string> ours(values + 1, values + count);
  std::vector<std::string> command;
  if (const auto mark = std::find(ours.begin(), ours.end(), "--"); mark != ours.end()) {
    command.assign(mark + 1, ours.end());
    ours.erase(mark, ours.end());
  }
  CLI::App app(kAbout, "sluice");
  app.footer(kExitCodes);
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  app.require_subcommand(1);
  Chosen chosen;
  add_run(app, chosen, command);
  add_append(app, chosen);
  add_cat(app, chosen);
  add_tail(app, chosen);
  add_recover(app, chosen);
  add_query(app, chosen);
  add_logs(app, chosen);
  add_metrics(app, chosen);
  add_stats(app, chosen);
  add_runs(app, chosen);
  add_prune(app, chosen);
  add_index(app, chosen);
  add_backup(app, chosen);
  add_export(app, chosen);
  add_import(app, chosen);
  add_stream(app, chosen);
#if SLUICE_HAS_UPLOAD
  add_upload(app, chosen);
#endif
  add_verify(app, chosen);
  add_demo(app, chosen);
  add_selftest(app, chosen);
  add_bench(app, chosen);
  add_offlog(app, chosen);
  add_top(app, chosen);
  add_level(app, chosen);
  add_doctor(app, chosen);
  add_serve(app, chosen);
  add_status(app, chosen);
  if (!is_known(app, ours)) return kUsage;
  try {
    std::reverse(ours.begin(), ours.end());  // as App::parse wants it
    app.parse(std::move(ours));
    const bool runs = app.got_subcommand("run");
    if (!command.empty() && !runs) {
      complain("a command behind -- belongs to `sluice run` only; leave it out");
      return kUsage;
    }
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? app.exit(error) : mistake(app, error);
  }
  return chosen();
}

}  // namespace
}  // namespace sluice::cli

int main(int count, char** values) {
  sluice::os::open_standard_files();
  sluice::os::ignore_broken_pipes();
  return sluice::cli::run_command(count, values);
}
