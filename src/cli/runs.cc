// sluice runs: every execution of a program that a store knows, and one of them in detail.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "cli/command.h"
#include "cli/filter_options.h"
#include "cli/rows.h"
#include "cli/store_option.h"

namespace sluice::cli {
namespace {

constexpr u64 kRunsShown = 50;  // without --limit

struct RunsCommand {
  std::string store;
  std::string id;
  std::string limit;
  std::string tag;
  FormOptions form;
};

// What became of a run, in a word: its end as the collector, or the run itself, has stored it.
constexpr const char* kStatus =
    "CASE WHEN ended_ns IS NULL AND reason LIKE 'hangs:%' THEN 'hung'"
    " WHEN ended_ns IS NULL THEN 'active' WHEN reason LIKE 'out of memory%' THEN 'out of "
    "memory'"
    " WHEN signal <> 0 THEN 'crashed' WHEN reason LIKE 'vanished%' THEN 'vanished'"
    " WHEN exit_code <> 0 THEN 'failed' ELSE 'ended' END";

std::string time_of(const std::string& column) {
  return "strftime('%Y-%m-%d %H:%M:%f'," + column + "/1000000/1000.0,'unixepoch')";
}

std::string runs_sql(const std::string& where, u64 limit) {
  return "SELECT id, product, version, run_id, host, pid, " + time_of("started_ns") +
         " AS started, " + time_of("ended_ns") +
         " AS ended, round((ended_ns - started_ns) / 1e9, 3) AS seconds, " + kStatus +
         " AS status, exit_code, signal, reason,"
         " (SELECT count(*) FROM records WHERE records.id BETWEEN first_record AND last_record"
         " AND run = runs.id) AS records,"
         " (SELECT coalesce(sum(json_extract(attributes, '$.dropped')), 0) FROM records"
         " WHERE records.id BETWEEN first_record AND last_record AND run = runs.id AND site IN"
         " (SELECT id FROM sites WHERE logger = 'sluice' AND file = '' AND format = 'drop report'))"
         " AS dropped FROM runs " +
         where + " ORDER BY started_ns DESC, id DESC LIMIT " + std::to_string(limit);
}

// The parts of one run, each a question of its own.
struct Part {
  const char* title;
  std::string sql;
};
std::vector<Part> parts_of(i64 run) {
  const std::string of = " WHERE run = " + std::to_string(run);
  return {{"state", "SELECT value AS state FROM state_values" + of},
          {"parameters", "SELECT key, value FROM params" + of + " ORDER BY key"},
          {"tracks", "SELECT topic, count(*) AS rows, " + time_of("min(time_ns)") + " AS first, " +
                         time_of("max(time_ns)") + " AS last FROM tracks" + of +
                         " GROUP BY topic ORDER BY topic"},
          {"files", "SELECT name, bytes, " + time_of("time_ns") +
                        " AS attached, coalesce(json_extract(fields, '$.copy'),"
                        " json_extract(fields, '$.path')) AS path FROM files" +
                        of + " ORDER BY id"},
          {"metrics",
           "SELECT name, unit, sum(coalesce(weight, 1)) AS points, min(value) AS least,"
           " sum(value * coalesce(weight, 1)) / sum(iif(value IS NULL, 0, coalesce(weight, 1)))"
           " AS mean, max(value) AS most FROM points JOIN series ON series.id = series" +
               of + " GROUP BY series ORDER BY name"},
          {"last records",
           "SELECT * FROM (SELECT " + time_of("time_ns") +
               " AS time, CASE severity WHEN 1 THEN 'TRACE' WHEN 5 THEN 'DEBUG' WHEN 9 THEN 'INFO'"
               " WHEN 10 THEN 'NOTICE' WHEN 13 THEN 'WARNING' WHEN 17 THEN 'ERROR' ELSE 'CRITICAL'"
               " END AS level, logger, body AS message FROM records JOIN runs ON runs.id = run" +
               of +
               " AND records.id BETWEEN first_record AND last_record ORDER BY records.id DESC"
               " LIMIT 50) ORDER BY time"}};
}

Status show(storage::Connection& store, const std::string& sql, const FormOptions& options,
            Output& output) {
  Result<storage::Statement> rows = store.prepare(sql);
  if (!rows.ok()) return rows.status();
  const std::unique_ptr<Form> form = make_form(options, {"state"});
  return show_rows(rows.value(), *form, output);
}

Status show_one(storage::Connection& store, i64 run, const FormOptions& options, Output& output) {
  Status status = show(store, runs_sql("WHERE id = " + std::to_string(run), 1), options, output);
  for (const Part& part : parts_of(run)) {
    if (!status.ok()) return status;
    if (!options.json && !options.csv) output.write("\n" + std::string(part.title) + "\n");
    status = show(store, part.sql, options, output);
  }
  return status;
}

// A run by its number, or the newest of that run id; 0: there is none.
Result<i64> find_run(storage::Connection& store, const std::string& id) {
  i64 number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  const bool is_number = error == std::errc{} && end == id.data() + id.size();
  Result<storage::Statement> found = store.prepare(
      "SELECT id FROM runs WHERE id = ?1 OR run_id = ?2 ORDER BY id = ?1 DESC, id DESC LIMIT 1");
  if (!found.ok()) return found.status();
  is_number ? found.value().bind(1, number) : found.value().bind_null(1);
  found.value().bind(2, std::string_view(id));
  const Result<bool> row = found.value().step();
  if (!row.ok()) return row.status();
  return row.value() ? found.value().integer(0) : 0;
}

// Of the parameter `tags`, a list.
std::string with_tag(const std::string& tag) {
  if (tag.empty()) return {};
  return "WHERE EXISTS(SELECT 1 FROM params WHERE params.run = runs.id AND key = 'tags' AND"
         " json_valid(params.value) AND EXISTS(SELECT 1 FROM json_each(params.value) AS tag"
         " WHERE tag.value = " +
         storage::quoted_text(tag) + "))";
}

int runs(RunsCommand command) {
  std::vector<std::string> mistakes;
  std::optional<u64> limit;
  if (!command.limit.empty()) take(parse_limit(command.limit), "--limit", limit, mistakes);
  check_form_options(command.form, mistakes);
  check_store_option(command.store, mistakes);
  const storage::DatabaseUse use;
  const std::unique_ptr<storage::Connection> store = open_store(command.store, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  Status status;
  if (command.id.empty()) {
    const u64 count = std::min(limit.value_or(kRunsShown), u64(INT64_MAX));
    status = show(*store, runs_sql(with_tag(command.tag), count), command.form, output);
  } else {
    const Result<i64> run = find_run(*store, command.id);
    status = run.status();
    if (run.ok() && run.value() == 0) {
      complain("no run " + in_quotes(command.id) + " is in " + command.store +
               "; `sluice runs` lists those that are");
      return kProblem;
    }
    if (run.ok()) status = show_one(*store, run.value(), command.form, output);
  }
  output.flush();
  if (status.ok()) return output.exit_code();
  complain(status.message());
  return exit_code_of(status);
}

}  // namespace

void add_runs(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("runs", "List the executions of programs, or show one and how it ended");
  auto command = std::make_shared<RunsCommand>();
  sub->add_option("id", command->id, "One run: its number, or its run id")->type_name("ID");
  add_store_option(*sub, command->store);
  sub->add_option("--limit", command->limit, "At most N runs, the newest first (default 50)")
      ->type_name("N");
  sub->add_option("--tag", command->tag, "Only runs that have this tag")->type_name("TAG");
  add_form_options(*sub, command->form);
  sub->footer(
      "Exit code 0; 1 there is no such run, or the store could not be read; 2 for a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return runs(*command); }; });
}

}  // namespace sluice::cli
