// sluice doctor: what this machine gives a program that logs, and what to do about what it lacks.
//
// It tries what a program does (makes a region, asks the collector) instead of guessing from
// settings, and leaves nothing behind. Exit code 0: nothing is wrong; 1: something is; 2: a mistake
// in the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/machine_checks.h"
#include "collector/admin.h"
#include "collector/config.h"
#include "os/path.h"
#include "runtime/variables.h"
#include "sink/make.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;

constexpr i64 kAskNs = 2'000'000'000;

struct DoctorCommand {
  std::vector<std::string> directories;
  std::string region_directory;
  bool json = false;
};

using Findings = std::vector<Finding>;

const char* word_of(State state) {
  return state == State::kGood ? "ok" : state == State::kNote ? "note" : "problem";
}

// What a program that is started here would take from the environment. What is wrong with the
// directory of regions the region itself says.
void check_variables(const runtime::Config& config, const std::vector<std::string>& mistakes,
                     Findings& findings) {
  const std::size_t before = findings.size();
  for (const std::string& mistake : mistakes) {
    if (mistake.starts_with("SLUICE_REGION_DIRECTORY:")) continue;
    // As Mistakes::add() puts it together.
    const std::size_t end = mistake.find("; ");
    findings.push_back({"variables", State::kProblem, mistake.substr(0, end),
                        end == std::string::npos ? "" : mistake.substr(end + 2)});
  }
  for (const back::SinkConfig& sink : config.sinks) {
    const Status status = sink::check_sink(sink, os::real_io());
    if (status.ok()) continue;
    findings.push_back({"variables", State::kProblem, status.message(),
                        "name another place in " + sink.variable + ", or mend this one"});
  }
  for (const std::string& unknown : runtime::unknown_variables()) {
    findings.push_back({"variables", State::kNote, unknown, "write its name right, or unset it"});
  }
  if (findings.size() == before) {
    findings.push_back({"variables", State::kGood, "every SLUICE_* variable is understood", ""});
  }
}

Finding check_overflow(const runtime::Config& config) {
  const bool waits = config.overflow == Overflow::block;
  return {"overflow", State::kGood,
          waits ? "a call waits for room at most " + std::to_string(config.block_deadline_ms) +
                      " ms, then its record is dropped and counted"
                : "calls never wait: what finds no room is dropped and counted",
          ""};
}

Finding check_collector(const std::string& socket, const runtime::Config& config) {
  const Result<std::string> answer = collector::ask_admin(socket, "status", kAskNs);
  if (answer.ok()) return {"collector", State::kGood, "answers at " + in_quotes(socket), ""};
  const std::string what = answer.status().message();
  const bool needed = config.collector == Collector::only;
  if (answer.status().error_class() == ErrorClass::kRetryable && !needed) {
    return {"collector", State::kNote, what, "start `sluice serve` if you want one"};
  }
  return {"collector", State::kProblem, what,
          needed ? "start `sluice serve`: SLUICE_COLLECTOR=only leaves everything to it"
                 : "see `sluice status`, or start `sluice serve` again"};
}

void show(const Finding& finding, bool json, Output& output) {
  if (json) {
    ordered_json object;
    object["check"] = finding.check;
    object["state"] = word_of(finding.state);
    object["what"] = finding.what;
    if (!finding.mend.empty()) object["mend"] = finding.mend;
    output.write(json_line(object));
    return;
  }
  std::string line = std::string(word_of(finding.state)) + "  " + printable(finding.check) + ": " +
                     printable(finding.what) + "\n";
  if (!finding.mend.empty()) line += "    to mend: " + printable(finding.mend) + "\n";
  output.write(line);
}

int doctor(const DoctorCommand& command) {
  collector::ServeConfig serve;
  std::vector<std::string> mistakes;
  collector::read_variables(serve, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  collector::default_places(serve);
  runtime::Config config;
  mistakes = runtime::make_config({.version = SLUICE_VERSION}, config);
  if (!command.region_directory.empty()) {
    config.region_directory = os::absolute_path(command.region_directory);
  }
  Findings findings;
  check_variables(config, mistakes, findings);
  findings.push_back(check_region(config));
  const bool region = findings.back().state == State::kGood;
  for (Finding& finding : check_region_directory(config)) findings.push_back(std::move(finding));
  for (std::size_t i = 0; i < config.sinks.size(); ++i) {
    findings.push_back(check_sink_promise(config, i, region));
  }
  findings.push_back(check_overflow(config));
  for (const std::string& directory : command.directories) {
    findings.push_back(check_directory(directory));
  }
  findings.push_back(check_descriptors());
  findings.push_back(check_file_size());
  findings.push_back(check_clock());
  findings.push_back(check_barrier());
  findings.push_back(check_collector(serve.admin_socket, config));
  Output output;
  for (const Finding& finding : findings) show(finding, command.json, output);
  output.flush();
  const bool well = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.state == State::kProblem;
  });
  return well ? output.exit_code() : kProblem;
}

}  // namespace

void add_doctor(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("doctor", "Says what this machine lacks for logging, and how to mend it");
  auto command = std::make_shared<DoctorCommand>();
  sub->add_option("directories", command->directories,
                  "Where logs or streams are to go: looks at these directories too")
      ->type_name("DIR");
  sub->add_option("--directory", command->region_directory,
                  "Where regions go (default: SLUICE_REGION_DIRECTORY, or the usual places)")
      ->type_name("DIR");
  sub->add_flag("--json", command->json, "One JSON object for each finding");
  sub->footer(
      "SLUICE_* variables are taken as a program that is started here would take them.\n"
      "Exit code 0: nothing is wrong; 1: something is; 2: a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return doctor(*command); }; });
}

}  // namespace sluice::cli
