// sluice serve: the daemon. Reads the configuration; everything else is src/collector/daemon.h.
//
// Exit code 0: stopped as it was asked to, also where something was left at the deadline, which it
// says; 1: it could not start; 2: a mistake in the configuration.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "collector/config.h"
#include "collector/daemon.h"
#include "collector/own_log.h"
#include "os/path.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

using collector::Setting;
using collector::SettingKind;

struct ServeCommand {
  std::string file;
  bool check = false;
  bool print = false;
  bool quiet = false;
  std::vector<std::pair<const Setting*, std::vector<std::string>>> values;
};

bool is_path(const Setting& setting) {
  return setting.kind == SettingKind::kPath || setting.kind == SettingKind::kPaths;
}

collector::ConfigSources sources_of(const ServeCommand& command) {
  collector::ConfigSources sources{.file = os::absolute_path(command.file), .options = {}};
  for (const auto& [setting, values] : command.values) {
    if (values.empty()) continue;
    auto& to = sources.options.emplace_back(setting, values).second;
    if (!is_path(*setting)) continue;
    for (std::string& path : to) path = os::absolute_path(path);
  }
  return sources;
}

int serve(const ServeCommand& command) {
  const std::string store_of_programs = collector::forget_variables_of_programs();
  const collector::ConfigSources sources = sources_of(command);
  collector::ServeConfig config;
  config.store_path = os::absolute_path(store_of_programs);
  const std::vector<std::string> mistakes = collector::read_config(sources, config);
  if (!mistakes.empty()) return refuse(mistakes);
  if (command.check || command.print) {
    Output output;
    if (command.print) output.write(collector::to_toml(config));
    output.flush();
    return output.exit_code();
  }
  collector::Daemon daemon(sources, config);
  const Status status = daemon.start();
  if (!status.ok()) {
    complain(status.message());
    return kProblem;
  }
  if (!command.quiet) complain(daemon.places());
  const u64 left = daemon.run();
  if (left == 0) return kDone;
  complain(std::to_string(left) + " left undone at the deadline of the stop");
  os::exit_now(kDone);  // something of it may still run: no destructor may wait for that
}

}  // namespace

void add_serve(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("serve", "Runs the collector");
  auto command = std::make_shared<ServeCommand>();
  sub->add_option("--config", command->file, "Its configuration (default: SLUICE_SERVE_CONFIG)")
      ->type_name("FILE");
  sub->add_flag("--check", command->check, "Say what is wrong with the configuration, and end");
  sub->add_flag("--print-config", command->print, "Print what is in force, and end");
  sub->add_flag("--quiet", command->quiet, "Do not say at the start where things go");
  command->values.reserve(collector::settings().size());  // the parser keeps addresses
  for (const Setting& setting : collector::settings()) {
    auto& values = command->values.emplace_back(&setting, std::vector<std::string>()).second;
    CLI::Option* const option =
        sub->add_option(std::string(setting.option), values,
                        std::string(setting.what) + ": " + collector::values_of(setting));
    option->type_name(is_path(setting) ? "PATH" : "VALUE")->expected(1);
    if (setting.kind == SettingKind::kPaths) {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    } else {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "File < SLUICE_SERVE_* variables < options. SIGTERM stops, SIGHUP reads the configuration\n"
      "again. Exit code 0 when it was asked to stop, also where something was left at the\n"
      "deadline, which it says; 1 it could not start; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return serve(*command); }; });
}

}  // namespace sluice::cli
