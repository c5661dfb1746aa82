// The forms in which rows are shown: a table, JSON Lines, CSV (RFC 4180).
//
// Cells are what SQLite knows: nothing, integers, reals, texts, bytes. Reals have the fewest digits
// that read back as the same number, infinities are Inf and -Inf (JSON: "Infinity"), bytes are
// hexadecimal. Where a terminal could read a text it is escaped; CSV into a file or a pipe is as it
// is stored.
//
// Threading: the main thread. Memory: a table keeps its first rows until it knows its widths.
#ifndef SLUICE_SRC_CLI_ROWS_H_
#define SLUICE_SRC_CLI_ROWS_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "cli/command.h"
#include "store/sqlite.h"

namespace sluice::cli {

// Texts and bytes are borrowed.
using Cell = std::variant<std::monostate, i64, double, std::string_view, ByteView>;

// What --json and --csv ask for; neither: a table.
struct FormOptions {
  bool json = false;
  bool csv = false;
};
void add_form_options(CLI::App& app, FormOptions& options);
void check_form_options(const FormOptions& options, std::vector<std::string>& mistakes);

class Form {
 public:
  virtual ~Form() = default;
  // Each returns the text to write now. head() comes first, foot() last.
  [[nodiscard]] virtual std::string head(std::span<const std::string> names) = 0;
  [[nodiscard]] virtual std::string row(std::span<const Cell> cells) = 0;
  [[nodiscard]] virtual std::string foot() { return {}; }
};

// `json_columns`: texts of these columns that are JSON stand as such in a line of JSON.
[[nodiscard]] std::unique_ptr<Form> make_form(const FormOptions& options,
                                              std::vector<std::string> json_columns = {});

// The rows of a statement: its columns' names, and the row it stands on (valid until its next
// step).
[[nodiscard]] std::vector<std::string> names_of(const storage::Statement& rows);
void read_cells(const storage::Statement& rows, std::vector<Cell>& to);

// Head, all rows and foot of a statement that has columns; ends early when nobody reads any more.
Status show_rows(storage::Statement& rows, Form& form, Output& output);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_ROWS_H_
