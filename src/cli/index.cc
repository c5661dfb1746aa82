// sluice index: brings the full-text index of a store up to date, while others write it.
//
// Steps of milliseconds with pauses between them (store/text_index.h). Killed at any moment, the
// store is whole, and the next one goes on. Searches need no index to be right, only to be fast.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/store_option.h"
#include "cli/store_steps.h"
#include "os/process.h"
#include "store/text_index.h"

namespace sluice::cli {
namespace {

using storage::Connection;

struct IndexCommand {
  std::string store;
  bool rebuild = false;
  bool remove = false;
  bool json = false;
};

// One transaction of its own.
Result<bool> in_transaction(Connection& store, const std::function<Result<bool>()>& work) {
  const storage::DatabaseUse use;
  Status status = store.run("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  Result<bool> more = work();
  status = more.ok() ? store.run("COMMIT") : more.status();
  if (!status.ok()) {
    if (store.in_transaction()) (void)store.run("ROLLBACK");
    return status;
  }
  return more;
}

// A step that is done once.
Status run_once(Connection& store, const std::function<Status()>& work) {
  return run_steps(store, [&] {
    return in_transaction(store, [&]() -> Result<bool> {
      const Status status = work();
      if (!status.ok()) return status;
      return false;
    });
  });
}

Status remove_index(Connection& store) {
  const Status marked = run_once(store, [&] { return mark_all_parts(store); });
  if (!marked.ok()) return marked;
  const Status dropped = run_steps(
      store, [&] { return in_transaction(store, [&] { return drop_dead_part(store, false); }); });
  if (!dropped.ok()) return dropped;
  return run_once(store, [&] { return remove_text_index(store); });
}

Status index_store(Connection& store, const IndexCommand& command) {
  Status status = prepare_for_steps(store);
  if (!status.ok()) return status;
  const Result<bool> has = has_text_index(store);
  if (!has.ok()) return has.status();
  const i64 started = os::monotonic_ns();
  storage::TextIndexer indexer(store);
  if (command.remove) {
    if (has.value()) status = remove_index(store);
  } else {
    if (has.value()) {
      status = run_once(store, [&] {
        return command.rebuild ? mark_all_parts(store) : mark_sparse_parts(store);
      });
    }
    if (status.ok()) status = run_steps(store, [&] { return indexer.step(); });
  }
  checkpoint(store);
  if (!status.ok()) return status;
  const double seconds = double(os::monotonic_ns() - started) / 1e9;
  const Result<std::vector<storage::TextPart>> parts = text_parts(store);
  if (!parts.ok()) return parts.status();
  const Result<u64> bytes = file_bytes(store);
  if (!bytes.ok()) return bytes.status();
  const storage::IndexCounts& counts = indexer.counts();
  Output output;
  if (command.json) {
    nlohmann::ordered_json object;
    object["rows"] = counts.rows;
    object["seconds"] = seconds;
    object["parts"] = parts.value().size();
    object["steps"] = counts.steps;
    object["longest_step_ms"] = double(counts.longest_step_ns) / 1e6;
    object["bytes"] = bytes.value();
    output.write(json_line(object));
  } else if (command.remove) {
    output.write(has.value() ? "the index is removed\n" : "there is no index\n");
  } else {
    char took[32];
    (void)std::snprintf(took, sizeof took, "%.2f", seconds);
    output.write("indexed " + std::to_string(counts.rows) + " rows in " + took + " s; " +
                 std::to_string(parts.value().size()) + " parts, the store has " +
                 std::to_string(bytes.value()) + " bytes\n");
  }
  output.flush();
  return {};
}

int index(const IndexCommand& command) {
  std::vector<std::string> mistakes;
  std::string path = command.store;
  check_store_option(path, mistakes);
  if (command.rebuild && command.remove) {
    mistakes.emplace_back("--rebuild and --remove: choose one");
  }
  Result<std::unique_ptr<Connection>> store = fatal("");
  if (!path.empty()) {
    store = open_store(path, storage::Access::kWrite, 0);
    if (!store.ok()) mistakes.push_back(store.status().message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  const Status status = index_store(*store.value(), command);
  if (status.ok()) return kDone;
  complain(status.message());
  return kProblem;
}

}  // namespace

void add_index(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("index", "Make full-text search in a store fast (logs --match)");
  auto command = std::make_shared<IndexCommand>();
  add_store_option(*sub, command->store);
  sub->add_flag("--rebuild", command->rebuild, "Make all of the index anew");
  sub->add_flag("--remove", command->remove, "Take the index away");
  sub->add_flag("--json", command->json, "What was done as one JSON object");
  sub->footer(
      "Indexes the messages that are not indexed yet. May run beside programs that write, and be\n"
      "killed: the next one goes on. `logs --match` finds the same without. Exit code 0; 1 it "
      "could\n"
      "not be done; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return index(*command); }; });
}

}  // namespace sluice::cli
