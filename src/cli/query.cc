// sluice query: SQL over a store, as a table, JSON Lines or CSV.
//
// Reads from a connection that cannot write, unless --write is given; a store that is being written
// goes on meanwhile. Texts are escaped wherever a terminal could read them.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/rows.h"
#include "cli/store_option.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

using storage::Access;
using storage::Connection;
using storage::Statement;

struct QueryCommand {
  std::string sql;
  std::string store;
  FormOptions form;
  bool write = false;
  double timeout_s = 0;
};

Status run_statements(Connection& store, const QueryCommand& command, Form& form, Output& output) {
  std::string_view rest = command.sql;
  bool any = false;
  for (;;) {
    Result<Statement> statement = store.prepare(rest, &rest);
    if (!statement.ok()) return statement.status();
    Statement& rows = statement.value();
    if (!rows) break;  // only blanks and comments are left
    any = true;
    if (!command.write && !rows.only_reads()) {
      return fatal("the statement changes the store; say --write if it should");
    }
    const Status status = rows.columns() == 0 ? rows.run() : show_rows(rows, form, output);
    if (!status.ok()) return status;
    if (output.closed()) break;
  }
  return any ? Status() : fatal("no statement: write one, such as SELECT * FROM logs");
}

int query(QueryCommand command) {
  std::vector<std::string> mistakes;
  check_store_option(command.store, mistakes);
  check_form_options(command.form, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  const storage::DatabaseUse use;
  const auto store = open_store(command.store, command.write ? Access::kWrite : Access::kRead);
  if (!store.ok()) return refuse({store.status().message()});
  if (command.timeout_s > 0) {
    store.value()->set_deadline(os::monotonic_ns() + i64(command.timeout_s * 1e9));
  }
  const std::unique_ptr<Form> form = make_form(command.form);
  Output output;
  const Status status = run_statements(*store.value(), command, *form, output);
  output.flush();
  if (status.ok()) return output.exit_code();
  complain(status.message());
  return exit_code_of(status);
}

}  // namespace

void add_query(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("query", "Ask a store in SQL");
  auto command = std::make_shared<QueryCommand>();
  sub->add_option("sql", command->sql, "The statement, such as \"SELECT * FROM logs\"")
      ->type_name("SQL")
      ->required();
  add_store_option(*sub, command->store);
  add_form_options(*sub, command->form);
  sub->add_flag("--write", command->write, "Let statements change the store");
  sub->add_option("--timeout", command->timeout_s, "Give up after so many seconds")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  sub->footer("Tables and views: docs/formats/store.md. Exit code 2: a mistake in the statement.");
  sub->callback([command, &chosen] { chosen = [command] { return query(*command); }; });
}

}  // namespace sluice::cli
