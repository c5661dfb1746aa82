// sluice recover: delivers what killed programs had published, and says what became of it.
//
// Exit code 0: everything found is delivered; 1: something is left, and why is said; 2: a mistake
// in the command line, such as a path where nothing is.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/region_place.h"
#include "os/io.h"
#include "os/path.h"
#include "record/time_text.h"
#include "runtime/recover.h"
#include "sink/make.h"

namespace sluice::cli {
namespace {

using runtime::RegionSummary;

struct RecoverCommand {
  std::string directory;
  std::string product;
  std::string text;
  std::string json_lines;
  std::string segments;
  std::string store;
  std::vector<std::string> paths;
  bool give_up = false;
  bool json = false;
  bool quiet = false;
};

class ToStandardError final : public Reporter {
 public:
  void report(std::string_view sentence) override { complain(sentence); }
};

// What became of one region: recovered, or why not.
struct Outcome {
  RegionSummary summary;
  bool alive = false;   // its process still writes it: nothing to recover
  std::string refused;  // not touched, and why
};

void add_sink(runtime::RecoverOptions& options, SinkKind kind, const std::string& path) {
  if (path.empty()) return;
  back::SinkConfig sink;
  sink.kind = kind;
  sink.path = os::absolute_path(path);
  sink.name = "recovered";
  sink.required = true;
  options.extra_sinks.push_back(std::move(sink));
}

nlohmann::ordered_json to_json(const Outcome& outcome) {
  const RegionSummary& summary = outcome.summary;
  nlohmann::ordered_json object;
  object["region"] = summary.path;
  if (outcome.alive || !outcome.refused.empty()) {
    object["state"] = outcome.alive ? "alive" : "refused";
    if (!outcome.refused.empty()) object["problem"] = outcome.refused;
    return object;
  }
  object["state"] = summary.complete ? "complete" : "incomplete";
  object["product"] = summary.product;
  object["run"] = summary.run_id;
  object["pid"] = summary.pid;
  object["started"] = time_string(summary.start_wall_ns);
  object["recovered"] = summary.recovered;
  object["merged"] = summary.merged;
  object["filtered"] = summary.filtered;
  object["dropped"] = summary.dropped;
  object["damaged"] = summary.damaged;
  if (!summary.problem.empty()) object["problem"] = summary.problem;
  return object;
}

std::string to_text(const Outcome& outcome) {
  const RegionSummary& summary = outcome.summary;
  const std::string path = printable(summary.path);
  if (outcome.alive) return path + ": its process is alive; nothing to recover\n";
  if (!outcome.refused.empty()) return printable(outcome.refused) + "\n";
  std::string text =
      path + ": " + in_quotes(summary.product) + ", process " + std::to_string(summary.pid) +
      ", started " + time_string(summary.start_wall_ns) + "\n  " +
      std::to_string(summary.recovered) + " records taken out of rings, " +
      std::to_string(summary.merged) + " merged in its whole life, " +
      std::to_string(summary.dropped) + " dropped, " + std::to_string(summary.filtered) +
      " filtered, " + std::to_string(summary.damaged) + " damaged\n";
  text += summary.complete ? "  complete; the region is removed\n"
                           : "  NOT complete: " + printable(summary.problem) + "\n";
  return text;
}

Outcome recover_one(const std::string& path, const RecoverCommand& command,
                    const runtime::RecoverOptions& options, Reporter& reporter, bool& skip) {
  Outcome outcome;
  auto result = runtime::recover_region(path, options, reporter);
  if (result.ok()) {
    outcome.summary = std::move(result.value());
    return outcome;
  }
  outcome.summary.path = path;
  const Status status = result.status();
  if (status.error_class() == ErrorClass::kRetryable) {
    // Alive, of another product, or gone meanwhile: only worth a word when it was asked for.
    outcome.alive = status.os_error() == EAGAIN;
    skip = command.paths.empty() && !outcome.alive;
    if (!outcome.alive) outcome.refused = status.message();
    return outcome;
  }
  skip = command.paths.empty() && !runtime::is_named_after(path, options.product);
  outcome.refused = status.message();
  return outcome;
}

// What stands in the command line and is not there; nothing is touched then.
std::vector<std::string> check(const RecoverCommand& command) {
  std::vector<std::string> mistakes;
  for (const std::string& path : command.paths) {
    os::FileInfo info;
    const int error = os::real_io().stat(path.c_str(), info);
    if (error != 0) {
      mistakes.push_back("cannot recover " + in_quotes(path) + ": " + os::error_text(error) +
                         "; check the path, or name none to recover all that can be found");
    } else if (info.directory) {
      mistakes.push_back("cannot recover " + in_quotes(path) +
                         ": it is a directory; write --directory before it");
    }
  }
  return mistakes;
}

int recover(const RecoverCommand& command) {
  std::vector<std::string> mistakes = check(command);
  runtime::RecoverOptions options;
  if (command.paths.empty()) options.directory = region_place(command.directory, mistakes);
  options.product = command.product;
  add_sink(options, SinkKind::text, command.text);
  add_sink(options, SinkKind::json_lines, command.json_lines);
  add_sink(options, SinkKind::segments, command.segments);
  add_sink(options, SinkKind::store, command.store);
  options.give_up = command.give_up;
  for (const back::SinkConfig& sink : options.extra_sinks) {
    const Status status = sink::check_sink(sink, os::real_io());
    if (!status.ok()) mistakes.push_back(status.message());
  }
  if (command.give_up && options.extra_sinks.empty()) {
    mistakes.push_back("--give-up: where else shall the records go? add --text FILE or another");
  }
  if (!mistakes.empty()) return refuse(mistakes);
  ToStandardError reporter;
  Output output;
  bool left = false;
  std::vector<std::string> paths = command.paths;
  if (paths.empty()) {
    runtime::remove_drafts(options.directory);
    paths = runtime::find_regions(options.directory);
  }
  std::size_t shown = 0;
  for (const std::string& path : paths) {
    bool skip = false;
    const Outcome outcome = recover_one(path, command, options, reporter, skip);
    if (skip) continue;
    const bool done = outcome.refused.empty() && (outcome.alive || outcome.summary.complete);
    left = left || !done;
    ++shown;
    // What failed is told even to those who want to hear nothing else.
    if (command.quiet && done) continue;
    output.write(command.json ? json_line(to_json(outcome)) : to_text(outcome));
  }
  if (shown == 0 && !command.json && !command.quiet) output.write("nothing to recover\n");
  output.flush();
  return left ? kProblem : output.exit_code();
}

}  // namespace

void add_recover(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("recover", "Deliver what killed programs had said and not yet written");
  auto command = std::make_shared<RecoverCommand>();
  sub->add_option("paths", command->paths, "Region files (default: all that can be found)")
      ->type_name("PATH");
  sub->add_option("--directory", command->directory, "Look for regions in this directory")
      ->type_name("DIR");
  sub->add_option("--product", command->product, "Only regions of this product")->type_name("NAME");
  sub->add_option("--text", command->text, "Write the records to FILE as text too")
      ->type_name("FILE");
  sub->add_option("--json-lines", command->json_lines,
                  "Write the records to FILE as JSON Lines too")
      ->type_name("FILE");
  sub->add_option("--segments", command->segments, "Write the records to directory DIR as segments")
      ->type_name("DIR");
  sub->add_option("--store", command->store, "Write the records to the database FILE as rows")
      ->type_name("FILE");
  sub->add_flag("--give-up", command->give_up,
                "Done when these have everything, whatever the program's own destinations lack");
  sub->add_flag("--json", command->json, "One JSON object for each region");
  sub->add_flag("--quiet", command->quiet, "Only say what is left");
  sub->footer(
      "Exit code 0: everything found is delivered. 1: something is left, and why is said. 2: a "
      "mistake\nin the command line.");
  sub->callback([command, &chosen] { chosen = [command] { return recover(*command); }; });
}

}  // namespace sluice::cli
