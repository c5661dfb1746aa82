// sluice prune: takes the oldest rows out of a store, by age, rows and bytes, while others write
// it.
//
// Steps of milliseconds with pauses between them (store/prune.h). Killed at any moment, the store
// is whole, and the next prune goes on.
#include "store/prune.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/keep_options.h"
#include "cli/store_option.h"
#include "cli/store_steps.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

using storage::Connection;
using storage::kGrowingTables;
using storage::PruneCounts;
using storage::Pruner;

constexpr u64 kBytesMin = 1 << 20;

struct PruneCommand {
  std::string store;
  std::string older_than;
  std::string max_rows;
  std::string max_bytes;
  bool whole_runs = false;
  bool dry_run = false;
  bool json = false;
};

storage::Keep read_keep(const PruneCommand& command, std::vector<std::string>& mistakes) {
  storage::Keep keep;
  keep.whole_runs = command.whole_runs;
  read_age(command.older_than, keep.age_ns, mistakes);
  read_bound(command.max_rows, "--max-rows", 1, " is no number of rows; write digits, from 1",
             keep.rows, mistakes);
  read_bound(command.max_bytes, "--max-bytes", kBytesMin,
             " is no size for a store; write 1MiB or more, such as 500MiB or 1GiB", keep.bytes,
             mistakes);
  const bool none =
      command.older_than.empty() && command.max_rows.empty() && command.max_bytes.empty();
  if (none) {
    mistakes.emplace_back("nothing to prune by; say --older-than, --max-rows or --max-bytes");
  }
  return keep;
}

std::string in_words(const PruneCounts& counts) {
  std::string text;
  const auto add = [&text](u64 count, std::string_view what) {
    if (count == 0) return;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(what);
  };
  for (std::size_t i = 0; i < kGrowingTables.size(); ++i) add(counts.rows[i], kGrowingTables[i]);
  add(counts.runs, "runs");
  add(counts.series, "series");
  add(counts.sites, "call sites");
  return text.empty() ? "nothing" : text;
}

nlohmann::ordered_json as_json(const PruneCounts& counts, u64 bytes_before, u64 bytes_after) {
  nlohmann::ordered_json object;
  for (std::size_t i = 0; i < kGrowingTables.size(); ++i) {
    object[kGrowingTables[i]] = counts.rows[i];
  }
  object["runs"] = counts.runs;
  object["series"] = counts.series;
  object["sites"] = counts.sites;
  object["bytes_before"] = bytes_before;
  object["bytes_after"] = bytes_after;
  object["steps"] = counts.steps;
  object["longest_step_ms"] = double(counts.longest_step_ns) / 1e6;
  return object;
}

Status prune_store(Connection& store, const PruneCommand& command, const storage::Keep& keep) {
  Status status = prepare_for_steps(store);
  if (!status.ok()) return status;
  const Result<u64> before = file_bytes(store);
  if (!before.ok()) return before.status();
  Pruner pruner(store, keep, Pruner::Way::kOnce);
  Output output;
  if (command.dry_run) {
    const Result<PruneCounts> counts = pruner.look(os::wall_ns());
    if (!counts.ok()) return counts.status();
    output.write(command.json ? json_line(as_json(counts.value(), before.value(), before.value()))
                              : "would delete " + in_words(counts.value()) + "\n");
    output.flush();
    return {};
  }
  status = run_steps(store, [&] { return pruner.step(os::wall_ns()); });
  checkpoint(store);
  const Result<u64> after = file_bytes(store);
  if (!after.ok()) return after.status();
  const PruneCounts& counts = pruner.counts();
  output.write(command.json
                   ? json_line(as_json(counts, before.value(), after.value()))
                   : "deleted " + in_words(counts) + "; " + std::to_string(before.value()) +
                         " bytes before, " + std::to_string(after.value()) + " now\n");
  output.flush();
  if (status.ok() && keep.bytes != 0 && after.value() > keep.bytes) {
    return {ErrorClass::kRetryable, "the store is still larger than " + std::to_string(keep.bytes) +
                                        " bytes: others write to it, or its tables need them"};
  }
  return status;
}

int prune(const PruneCommand& command) {
  std::vector<std::string> mistakes;
  const storage::Keep keep = read_keep(command, mistakes);
  std::string path = command.store;
  check_store_option(path, mistakes);
  Result<std::unique_ptr<Connection>> store = fatal("");
  if (!path.empty()) {
    store = open_store(path, command.dry_run ? storage::Access::kRead : storage::Access::kWrite, 0);
    if (!store.ok()) mistakes.push_back(store.status().message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  const Status status = prune_store(*store.value(), command, keep);
  if (status.ok()) return kDone;
  complain(status.message());
  return kProblem;
}

}  // namespace

void add_prune(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("prune", "Take the oldest rows out of a store");
  auto command = std::make_shared<PruneCommand>();
  sub->add_option("--store", command->store, "The database (default: SLUICE_STORE)")
      ->type_name("FILE");
  sub->add_option("--older-than", command->older_than, "Rows older than 90s, 12h, 7d, 4w")
      ->type_name("AGE");
  sub->add_option("--max-rows", command->max_rows, "The oldest rows, until a table has N at most")
      ->type_name("N");
  sub->add_option("--max-bytes", command->max_bytes,
                  "The oldest rows, until the file has this size at most: 500MiB, 1GiB")
      ->type_name("BYTES");
  sub->add_flag("--whole-runs", command->whole_runs,
                "Runs that are over as a whole, the oldest first, before any rows by themselves");
  sub->add_flag("--dry-run", command->dry_run, "Say what would go; change nothing");
  sub->add_flag("--json", command->json, "The counts as one JSON object");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "May run beside programs that write, and be killed: the next one goes on. Exit code 0; 1 it\n"
      "could not be done, or the store is still too large; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return prune(*command); }; });
}

}  // namespace sluice::cli
