// sluice metrics: the series of a store, the newest samples of one name, or what they come to in
// spans of time.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"
#include "cli/filter_options.h"
#include "cli/live_regions.h"
#include "cli/prometheus.h"
#include "cli/rows.h"
#include "cli/store_option.h"
#include "collector/region_image.h"
#include "record/time_text.h"
#include "store/points.h"
#include "store/schema.h"

namespace sluice::cli {
namespace {

using storage::Aggregate;
using storage::Connection;
using storage::Series;
using storage::Statement;

constexpr u64 kLimit = 100;  // without --limit and --since

struct MetricsCommand {
  std::string name;
  std::string store;
  std::string every;
  std::string prometheus;
  std::vector<std::string> aggregates;
  FilterOptions filter;
  FormOptions form;
};

// What was asked for, read.
struct Wanted {
  std::string name;
  Filter filter;
  i64 every_ns = 0;
  std::vector<Aggregate> aggregates;
  [[nodiscard]] u64 limit() const { return filter.limit.value_or(filter.since_ns ? 0 : kLimit); }
};

// As the views have it: "2025-11-22 22:18:03.123".
std::string time_of(i64 ns) {
  char text[kNumberRoom + TimeText::kBytes];
  TimeText time;
  std::string whole(text, time.put(text, ns));
  whole[10] = ' ';
  return whole.substr(0, 23);
}

Status show_series(Connection& store, const Wanted& wanted, Form& form, Output& output) {
  const storage::Query query =
      storage::series_query(wanted.filter, wanted.filter.limit.value_or(0));
  Result<Statement> rows = store.prepare(query.sql);
  if (!rows.ok()) return rows.status();
  const Status bound = bind_all(rows.value(), query.values);
  if (!bound.ok()) return bound;
  return show_rows(rows.value(), form, output);
}

// One row after the other by its id: a pager that waits holds up nobody.
Status show_samples(Connection& store, const std::vector<Series>& series, const Wanted& wanted,
                    Form& form, Output& output) {
  const auto ids = newest_points(store, series, wanted.filter, wanted.limit());
  if (!ids.ok()) return ids.status();
  Result<Statement> find =
      store.prepare(std::string("SELECT points.id AS id, ") + storage::kTimeText +
                    " AS timestamp, name AS metric_name, value, nullif(unit, '') AS unit, tags"
                    " FROM points JOIN series ON series.id = points.series WHERE points.id = ?");
  if (!find.ok()) return find.status();
  Statement& row = find.value();
  std::vector<Cell> cells;
  bool open = output.write(form.head(names_of(row)));
  for (const i64 id : ids.value()) {
    if (!open) break;
    row.bind(1, id);
    const Result<bool> there = row.step();
    if (!there.ok()) return there.status();
    if (there.value()) {
      read_cells(row, cells);
      open = output.write(form.row(cells));
    }
    row.reset();
  }
  output.write(form.foot());
  return {};
}

Status show_aggregates(Connection& store, const std::vector<Series>& series, const Wanted& wanted,
                       Form& form, Output& output) {
  const auto spans = aggregate_points(store, series, wanted.filter, wanted.every_ns,
                                      wanted.aggregates, wanted.limit());
  if (!spans.ok()) return spans.status();
  std::vector<std::string> names = {"timestamp", "metric_name", "unit", "tags"};
  if (wanted.every_ns == 0) names.erase(names.begin());
  for (const Aggregate& aggregate : wanted.aggregates) names.push_back(aggregate.name);
  bool open = output.write(form.head(names));
  std::vector<Cell> cells;
  for (const storage::Span& span : spans.value()) {
    if (!open) break;
    const Series& of = series[span.series];
    const std::string time = time_of(span.start_ns);
    cells.clear();
    if (wanted.every_ns != 0) cells.emplace_back(std::string_view(time));
    cells.emplace_back(std::string_view(wanted.name));
    of.unit.empty() ? cells.emplace_back() : cells.emplace_back(std::string_view(of.unit));
    cells.emplace_back(std::string_view(of.tags));
    for (const auto& value : span.values) {
      std::visit([&](const auto& known) { cells.emplace_back(known); }, value);
    }
    open = output.write(form.row(cells));
  }
  output.write(form.foot());
  return {};
}

Wanted read_options(const MetricsCommand& command, std::vector<std::string>& mistakes) {
  Wanted wanted;
  wanted.name = command.name;
  wanted.filter = make_filter(command.filter, mistakes);
  if (!command.every.empty()) {
    std::optional<i64> every;
    take(parse_duration(command.every), "--every", every, mistakes);
    wanted.every_ns = every.value_or(0);
  }
  for (const std::string& text : command.aggregates) {
    std::optional<Aggregate> aggregate;
    take(storage::parse_aggregate(text), "--agg", aggregate, mistakes);
    if (aggregate) wanted.aggregates.push_back(std::move(*aggregate));
  }
  if (wanted.every_ns != 0 && command.aggregates.empty()) {
    wanted.aggregates.push_back({Aggregate::Kind::kAvg, 0, "avg"});
  }
  const bool some = !command.every.empty() || !command.aggregates.empty();
  if (command.name.empty() && some) {
    mistakes.push_back("--every and --agg: of which metric? Name it; `sluice metrics` lists them");
  }
  return wanted;
}

Status show(Connection& store, const Wanted& wanted, Form& form, Output& output) {
  if (wanted.name.empty()) return show_series(store, wanted, form, output);
  const auto series = find_series(store, wanted.name);
  if (!series.ok()) return series.status();
  if (series.value().empty()) {
    return {ErrorClass::kRetryable, "there is no metric " + in_quotes(wanted.name) +
                                        " (yet); `sluice metrics` lists those there are"};
  }
  return wanted.aggregates.empty() ? show_samples(store, series.value(), wanted, form, output)
                                   : show_aggregates(store, series.value(), wanted, form, output);
}

// Of a process that runs, from its region.
int show_prometheus(const MetricsCommand& command) {
  std::vector<std::string> mistakes;
  const bool of_store = !command.name.empty() || !command.store.empty() || !command.every.empty() ||
                        !command.aggregates.empty();
  if (of_store) {
    mistakes.push_back(
        "--prometheus: shows all metrics of a running process; without --prometheus the metrics of "
        "a store are shown");
  }
  const std::vector<std::string> paths =
      find_live_regions({.pid = command.prometheus, .option = "--prometheus"}, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  for (const std::string& path : paths) {
    const auto image = collector::RegionImage::open(os::real_io(), path);
    if (image.ok()) output.write(prometheus_text(*image.value()));
  }
  output.flush();
  return output.exit_code();
}

int metrics(MetricsCommand command) {
  if (!command.prometheus.empty()) return show_prometheus(command);
  std::vector<std::string> mistakes;
  const Wanted wanted = read_options(command, mistakes);
  check_store_option(command.store, mistakes);
  check_form_options(command.form, mistakes);
  const storage::DatabaseUse use;
  const std::unique_ptr<Connection> store = open_store(command.store, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  const std::unique_ptr<Form> form = make_form(command.form, {"tags"});
  const Status status = show(*store, wanted, *form, output);
  output.flush();
  if (status.ok()) return output.exit_code();
  complain(status.message());
  return exit_code_of(status);
}

}  // namespace

void add_metrics(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("metrics", "Show the metrics of a store");
  auto command = std::make_shared<MetricsCommand>();
  sub->add_option("name", command->name, "The metric; without one the series are listed")
      ->type_name("NAME");
  add_store_option(*sub, command->store);
  add_range_options(*sub, command->filter);
  sub->add_option("--every", command->every, "A row for each span of this length: 10s, 1m, 1h")
      ->type_name("LENGTH");
  sub->add_option("--agg", command->aggregates,
                  "avg, min, max, sum, count, last, p95, p99.9; several with commas")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub->add_option("--prometheus", command->prometheus,
                  "Counters and gauges of process N as they are now, as Prometheus's text")
      ->type_name("N");
  add_form_options(*sub, command->form);
  sub->footer(
      "Samples, or with --every or --agg what they come to, a row for each series. The newest 100\n"
      "rows, or --limit; with --since all since then. Percentiles are exact (nearest rank).\n"
      "Exit code 0; 1 when there is no such metric or the store could not be read; 2 for a "
      "mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return metrics(*command); }; });
}

}  // namespace sluice::cli
