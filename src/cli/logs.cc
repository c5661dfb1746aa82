// sluice logs: the newest records of a store that pass the filter, the oldest of them first.
//
// Reads beside whoever writes, and holds nothing between one record and the next: a pager that
// waits holds up nobody.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/filter_options.h"
#include "cli/log_lines.h"
#include "cli/rows.h"
#include "cli/store_option.h"
#include "cli/view.h"
#include "store/select.h"

namespace sluice::cli {
namespace {

constexpr u64 kLimit = 100;  // without --limit and --since

struct LogsCommand {
  FilterOptions filter;
  FormOptions form;
  std::string store;
  std::string pattern;
  std::optional<std::string> match;
};

Status show(LogLines& lines, const std::vector<i64>& ids, Output& output) {
  const Result<std::string> head = lines.head();
  if (!head.ok()) return head.status();
  bool open = output.write(head.value());
  for (const i64 id : ids) {
    if (!open) break;
    const Result<std::string_view> line = lines.line(id);
    if (!line.ok()) return line.status();
    open = output.write(line.value());
  }
  return {};
}

int logs(LogsCommand command) {
  std::vector<std::string> mistakes;
  Filter filter = make_filter(command.filter, mistakes);
  check_store_option(command.store, mistakes);
  check_form_options(command.form, mistakes);
  const bool rows = command.form.json || command.form.csv;
  if (rows && !command.pattern.empty()) {
    mistakes.push_back("--pattern: lays out lines of text; leave out --json or --csv");
  }
  auto pattern = make_pattern(command.pattern, mistakes);
  check_match(command.match, mistakes);
  const storage::DatabaseUse use;
  std::unique_ptr<storage::Connection> store = open_store(command.store, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  const u64 limit = filter.limit.value_or(filter.since_ns ? 0 : kLimit);
  Output output;
  Status status;
  const auto ids =
      storage::LogFinder(*store, std::move(filter), std::move(command.match)).newest(limit);
  if (ids.ok()) {
    const auto lines =
        rows ? make_row_lines(*store, command.form) : make_text_lines(*store, std::move(*pattern));
    status = show(*lines, ids.value(), output);
  } else {
    status = ids.status();
  }
  output.flush();
  if (status.ok()) return output.exit_code();
  complain(status.message());
  return exit_code_of(status);
}

}  // namespace

void add_logs(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("logs", "Show records of a store");
  auto command = std::make_shared<LogsCommand>();
  add_store_option(*sub, command->store);
  add_filter_options(*sub, command->filter);
  add_form_options(*sub, command->form);
  add_match_option(*sub, command->match);
  sub->add_option("--pattern", command->pattern, "Layout of text lines, see docs/logging.md")
      ->type_name("PATTERN");
  sub->footer(
      "The newest 100, or --limit; with --since all since then. The oldest comes first.\n"
      "Exit code 0; 1 when the store could not be read; 2 for a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return logs(*command); }; });
}

}  // namespace sluice::cli
