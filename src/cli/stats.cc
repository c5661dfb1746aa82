// sluice stats: what a store holds, in numbers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/filter_options.h"
#include "cli/rows.h"
#include "cli/store_option.h"
#include "store/stats.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;
using storage::RunStats;
using storage::StoreStats;
using storage::TableStats;

constexpr u64 kRuns = 10;  // without --limit

struct StatsCommand {
  std::string store;
  std::string limit;
  bool json = false;
};

std::string end_of(const RunStats& run) {
  if (run.ended.empty()) return "no end known";
  std::string text = run.signal && *run.signal != 0 ? fmt::format("signal {}", *run.signal)
                     : run.exit_code                ? fmt::format("exit code {}", *run.exit_code)
                                                    : "ended";
  if (!run.reason.empty()) text += " (" + run.reason + ")";
  return text;
}

ordered_json or_null(const std::string& text) {
  return text.empty() ? ordered_json() : ordered_json(text);
}
ordered_json or_null(const std::optional<i64>& number) {
  return number ? ordered_json(*number) : ordered_json();
}

ordered_json object_of(const std::string& path, const StoreStats& stats) {
  ordered_json object = {{"store", path},
                         {"schema_version", stats.schema_version},
                         {"database_bytes", stats.database_bytes},
                         {"wal_bytes", stats.wal_bytes},
                         {"free_bytes", stats.free_bytes}};
  ordered_json& tables = object["tables"] = ordered_json::object();
  for (const TableStats& table : stats.tables) {
    tables[table.name] = {
        {"rows", table.rows}, {"oldest", or_null(table.oldest)}, {"newest", or_null(table.newest)}};
  }
  const std::pair<const char*, const std::vector<std::pair<std::string, i64>>*> counts[] = {
      {"levels", &stats.levels}, {"drops", &stats.drops}};
  for (const auto& [name, list] : counts) {
    ordered_json& into = object[name] = ordered_json::object();
    for (const auto& [key, count] : *list) into[key] = count;
  }
  ordered_json& columns = object["columns"] = ordered_json::object();
  for (const auto& column : stats.columns) columns[column.name] = column.type;
  object["indexes"] = stats.indexes;
  ordered_json& runs = object["runs"] = ordered_json::array();
  for (const RunStats& run : stats.runs) {
    runs.push_back({{"run_id", run.run_id},
                    {"product", run.product},
                    {"host", run.host},
                    {"pid", run.pid},
                    {"started", run.started},
                    {"ended", or_null(run.ended)},
                    {"exit_code", or_null(run.exit_code)},
                    {"signal", or_null(run.signal)},
                    {"reason", or_null(run.reason)}});
  }
  return object;
}

// Rows of texts and numbers as a table.
template <class Row, class Cells>
std::string table_of(const std::vector<std::string>& names, const std::vector<Row>& rows,
                     Cells&& cells_of) {
  const std::unique_ptr<Form> form = make_form({});
  std::string text = form->head(names);
  for (const Row& row : rows) text += form->row(std::vector<Cell>(cells_of(row)));
  return text + form->foot();
}

std::string text_of(const std::string& path, const StoreStats& stats) {
  std::string text =
      fmt::format("{}: {}, write-ahead log {}, free {}; schema version {}\n", printable(path),
                  size_text(stats.database_bytes), size_text(stats.wal_bytes),
                  size_text(stats.free_bytes), stats.schema_version);
  const auto view = [](const std::string& of) { return std::string_view(of); };
  text += "\n" +
          table_of({"table", "rows", "oldest", "newest"}, stats.tables,
                   [&](const TableStats& table) -> std::vector<Cell> {
                     return {view(table.name), table.rows, view(table.oldest), view(table.newest)};
                   });
  using Count = std::pair<std::string, i64>;
  const auto cells = [&](const Count& count) -> std::vector<Cell> {
    return {view(count.first), count.second};
  };
  if (!stats.levels.empty()) text += "\n" + table_of({"level", "rows"}, stats.levels, cells);
  text += stats.drops.empty() ? "\nnothing was said to be dropped\n"
                              : "\n" + table_of({"dropped", "records"}, stats.drops, cells);
  if (!stats.runs.empty()) {
    std::string how;
    text += "\n" + table_of({"run", "product", "host", "pid", "started", "ended", "how"},
                            stats.runs, [&](const RunStats& run) -> std::vector<Cell> {
                              how = end_of(run);
                              return {view(run.run_id),  view(run.product), view(run.host), run.pid,
                                      view(run.started), view(run.ended),   view(how)};
                            });
  }
  std::string names;
  for (const auto& column : stats.columns) names += " " + column.name + " " + column.type + ",";
  if (!names.empty())
    text += "\ncolumns of one's own:" + printable(names.substr(0, names.size() - 1)) + "\n";
  names.clear();
  for (const std::string& index : stats.indexes) names += " " + index + ",";
  if (!names.empty()) text += "\nindexes:" + printable(names.substr(0, names.size() - 1)) + "\n";
  return text;
}

int stats(StatsCommand command) {
  std::vector<std::string> mistakes;
  std::optional<u64> limit;
  if (!command.limit.empty()) take(parse_limit(command.limit), "--limit", limit, mistakes);
  check_store_option(command.store, mistakes);
  const storage::DatabaseUse use;
  const std::unique_ptr<storage::Connection> store = open_store(command.store, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  const u64 runs = std::min(limit.value_or(kRuns), u64(INT64_MAX));
  const Result<StoreStats> read = read_stats(*store, runs);
  if (!read.ok()) {
    complain(read.status().message());
    return exit_code_of(read.status());
  }
  Output output;
  output.write(command.json ? json_line(object_of(command.store, read.value()))
                            : text_of(command.store, read.value()));
  output.flush();
  return output.exit_code();
}

}  // namespace

void add_stats(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("stats", "Say what a store holds, in numbers");
  auto command = std::make_shared<StatsCommand>();
  add_store_option(*sub, command->store);
  sub->add_option("--limit", command->limit, "At most N runs, the newest first (default 10)")
      ->type_name("N");
  sub->add_flag("--json", command->json, "One JSON object");
  sub->footer("Exit code 0; 1 when the store could not be read; 2 for a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return stats(*command); }; });
}

}  // namespace sluice::cli
