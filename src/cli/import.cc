// sluice import: what sluice export wrote, and logs of any program, into a store, each line once.
//
// A file is a run of the store, and the place in it a cursor that moves in the transaction that
// stores what is before it: killed, an import goes on there, and so it does when the file has
// grown. Which file it is: cli/import_file.h. Lines are parsed before the transaction, which is
// bounded, so that others write meanwhile.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "cli/command.h"
#include "cli/import_csv.h"
#include "cli/import_export.h"
#include "cli/import_file.h"
#include "cli/import_line.h"
#include "cli/store_option.h"
#include "os/io.h"
#include "os/process.h"
#include "store/change.h"
#include "store/file.h"
#include "store/writer.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kBatchLines = 500;
constexpr std::size_t kBatchBytes = 1 << 20;
constexpr i64 kLockWaitNs = 30'000'000'000;
constexpr i64 kPauseNs = 2'000'000;  // for others to get the lock
constexpr int kDepthMax = 16;        // of directories

struct ImportCommand {
  std::string store;
  std::vector<std::string> paths;
  std::vector<std::string> columns;
  bool json = false;
};

struct Found {
  std::string path;
  bool named = true;  // by the user; else found in a directory
};

// What became of a file.
struct Outcome {
  u64 rows = 0;
  u64 refused = 0;      // lines of an export that are not as export writes them
  std::string refusal;  // of the first of them
  bool left_open = false;
  std::string problem;
};

void find_files(const std::string& path, int depth, std::vector<Found>& files,
                std::vector<std::string>& mistakes) {
  os::Io& io = os::real_io();
  os::FileInfo info;
  const bool named = depth == 0;
  const int error = named ? io.stat_followed(path.c_str(), info) : io.stat(path.c_str(), info);
  if (error != 0) {
    if (named) {
      mistakes.push_back("cannot open " + in_quotes(path) + ": " + os::error_text(error) +
                         "; check the path");
    }
    return;
  }
  if (!info.directory) {
    if (named || info.regular) files.push_back({path, named});
    return;
  }
  if (depth > kDepthMax) return;
  std::vector<std::string> names;
  if (const int failed = io.list(path.c_str(), [&](const char* name) { names.emplace_back(name); });
      failed != 0) {
    mistakes.push_back("cannot look into " + in_quotes(path) + ": " + os::error_text(failed));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) find_files(path + "/" + name, depth + 1, files, mistakes);
}

class Import {
 public:
  Import(storage::Writer& writer, storage::Restorer& restorer)
      : writer_(writer), restorer_(restorer) {}

  Outcome file(const std::string& path);

 private:
  // A batch: rows of logs, or lines of an export, and the place behind them.
  struct Batch {
    std::vector<ImportedRow> rows;
    std::vector<std::pair<u64, std::string>> lines;  // and where each begins
    u64 end = 0;
    [[nodiscard]] bool empty() const { return rows.empty() && lines.empty(); }
  };

  [[nodiscard]] Result<u64> choose_run(const ImportFile& file, const std::string& path);
  Status take_lines(ImportFile& file, u64 from, Outcome& outcome);
  Status read_csv_head(ImportFile& file, ExportedCsv& exported);
  Status take_csv(ImportFile& file, u64 from, ExportedCsv& exported, Outcome& outcome);
  // `exported`: the form of an export that the lines have; none: they are `parser`'s.
  Status take_rest(ImportFile& file, u64 from, u64 start, ImportLines& parser,
                   ExportedRows* exported, Outcome& outcome);
  bool read_batch(ImportFile& file, ImportLines& parser, bool exported, Batch& batch);
  Status store(const Batch& batch, u64 from, ExportedRows* exported, Outcome& outcome);
  Status store_once(const Batch& batch, u64 from, ExportedRows* exported, Outcome& outcome);
  Status add(ImportedRow row);

  storage::Writer& writer_;
  storage::Restorer& restorer_;
  u64 others_ = 0;  // of the writer, when ids were found
};

// The run that stands for the file, by its key; else by its content: a copy, or a rotated file that
// was compressed. Returns the place to go on from.
Result<u64> Import::choose_run(const ImportFile& file, const std::string& path) {
  storage::Connection& store = writer_.connection();
  storage::RunKey key = file.key();
  const std::string id =
      "import-" +
      hex_of(std::as_bytes(std::span(file.has_content() ? file.content() : file.key())).first(8));
  const auto as_bytes = [](const storage::RunKey& of) {
    return ByteView{reinterpret_cast<const std::byte*>(of.data()), of.size()};
  };
  const storage::DatabaseUse use;
  Result<storage::Statement> find = store.prepare(
      "SELECT region FROM runs WHERE region = ?1 UNION ALL"
      " SELECT * FROM (SELECT region FROM runs WHERE run_id = ?2 AND pid = 0 AND ?3 LIMIT 1)");
  if (!find.ok()) return find.status();
  find.value().bind(1, as_bytes(key));
  find.value().bind(2, std::string_view(id));
  find.value().bind(3, i64(file.has_content()));
  const Result<bool> known = find.value().step();
  if (!known.ok()) return known.status();
  if (known.value() && find.value().blob(0).size() == key.size()) {
    std::memcpy(key.data(), find.value().blob(0).data(), key.size());
  }
  find.value().reset();
  RunInfo info;
  info.run_id = id;
  info.product = path.substr(path.rfind('/') + 1);
  info.host = os::host_name();
  Result<u64> next = writer_.use_run(key, info, os::wall_ns());
  if (!next.ok() || !known.value() || !file.has_content()) return next;
  // It has more text than when it was new: its content is known from now on.
  Result<storage::Statement> name =
      store.prepare("UPDATE runs SET run_id = ?1 WHERE id = ?2 AND run_id <> ?1");
  if (!name.ok()) return name.status();
  Status status = writer_.begin();
  if (!status.ok()) return status;
  name.value().bind(1, std::string_view(id));
  name.value().bind(2, writer_.run());
  status = name.value().run();
  if (status.ok()) status = writer_.commit(next.value());
  if (!status.ok()) {
    writer_.roll_back();
    return status;
  }
  return next;
}

Outcome Import::file(const std::string& path) {
  Outcome outcome;
  ImportFile file;
  const Status opened = file.open(path);
  if (!opened.ok()) {
    outcome.problem = opened.message();
    return outcome;
  }
  if (file.head().empty()) return outcome;
  const bool is_csv = ExportedCsv::is_csv(path, file.head());
  ExportedCsv csv(restorer_);
  if (is_csv) {
    const Status status = read_csv_head(file, csv);
    outcome.problem = status.ok() ? file.problem() : in_quotes(path) + ": " + status.message();
    outcome.left_open = file.left_open();
    if (!outcome.problem.empty() || outcome.left_open) return outcome;
  }
  Result<u64> from = fatal("");
  const i64 until = os::monotonic_ns() + kLockWaitNs;
  do {
    from = choose_run(file, path);
  } while (!from.ok() && from.status().error_class() == ErrorClass::kRetryable &&
           os::monotonic_ns() < until);
  Status status = from.status();
  if (from.ok()) {
    status = is_csv ? take_csv(file, from.value(), csv, outcome)
                    : take_lines(file, from.value(), outcome);
  }
  if (!status.ok()) outcome.problem = in_quotes(path) + ": " + status.message();
  if (outcome.problem.empty()) outcome.problem = file.problem();
  outcome.left_open = file.left_open();
  return outcome;
}

Status Import::take_lines(ImportFile& file, u64 from, Outcome& outcome) {
  ImportLines parser(file.info().modified_ns);
  ExportedLines exported(restorer_);
  const bool is_export = ExportedLines::is_export(file.head());
  u64 start = from;
  if (!file.seek(from)) {
    if (!file.problem().empty()) return {};
    // It was cut, and has other lines now.
    start = 0;
    (void)file.seek(0);
  }
  if (is_export && start > 0) {
    (void)file.seek(0);
    std::string_view line;
    while (file.offset() < start && file.next(line)) {
      if (ExportedLines::is_definition(line)) (void)exported.add(line);
    }
  }
  return take_rest(file, from, start, parser, is_export ? &exported : nullptr, outcome);
}

// Before there is a run for the file: one with other columns leaves no trace.
Status Import::read_csv_head(ImportFile& file, ExportedCsv& exported) {
  const Result<std::vector<storage::CustomColumn>> custom =
      storage::custom_columns(writer_.connection());
  if (!custom.ok()) return custom.status();
  file.read_csv();
  (void)file.seek(0);
  std::string_view head;
  return file.next(head) ? exported.set_columns(head, custom.value()) : Status();
}

Status Import::take_csv(ImportFile& file, u64 from, ExportedCsv& exported, Outcome& outcome) {
  u64 start = std::max(from, file.offset());  // behind the head
  if (from > 0 && !file.seek(from)) {
    if (!file.problem().empty()) return {};
    // It was cut, and has other records now.
    (void)file.seek(0);
    std::string_view head;
    if (!file.next(head)) return {};
    start = file.offset();
  }
  ImportLines none(0);
  return take_rest(file, from, start, none, &exported, outcome);
}

Status Import::take_rest(ImportFile& file, u64 from, u64 start, ImportLines& parser,
                         ExportedRows* exported, Outcome& outcome) {
  for (;;) {
    Batch batch;
    const bool more = read_batch(file, parser, exported != nullptr, batch);
    if (batch.end > start) {
      const Status status = store(batch, from, exported, outcome);
      if (!status.ok()) return status;
      from = start = batch.end;
      os::sleep_ns(kPauseNs);
    }
    if (!more) return {};
  }
}

bool Import::read_batch(ImportFile& file, ImportLines& parser, bool exported, Batch& batch) {
  std::size_t bytes = 0;
  std::string_view line;
  for (std::size_t n = 0; n < kBatchLines && bytes < kBatchBytes; ++n) {
    const u64 begin = file.offset();
    if (!file.next(line)) return false;
    bytes += line.size();
    batch.end = file.offset();
    if (line.empty()) continue;
    if (exported) {
      batch.lines.emplace_back(begin, line);
    } else {
      batch.rows.push_back(parser.parse(line));
    }
  }
  return true;
}

Status Import::store(const Batch& batch, u64 from, ExportedRows* exported, Outcome& outcome) {
  const i64 until = os::monotonic_ns() + kLockWaitNs;
  for (;;) {
    const Outcome before = outcome;
    const Status status = store_once(batch, from, exported, outcome);
    if (status.ok()) return status;
    writer_.roll_back();
    restorer_.forget();
    if (exported != nullptr) exported->forget();
    outcome = before;
    const bool later = status.error_class() == ErrorClass::kRetryable;
    if (!later || os::monotonic_ns() >= until) return status;
    os::sleep_ns(kPauseNs);
  }
}

Status Import::store_once(const Batch& batch, u64 from, ExportedRows* exported, Outcome& outcome) {
  Status status = writer_.begin();
  if (!status.ok()) return status;
  // Pruning may have taken what the batches before this one referred to.
  if (std::exchange(others_, writer_.others()) != writer_.others()) {
    restorer_.forget();
    if (exported != nullptr) exported->forget();
  }
  const Result<i64> cursor = writer_.connection().integer_of(
      "SELECT next_sequence FROM cursors WHERE run = " + std::to_string(writer_.run()));
  if (!cursor.ok()) return cursor.status();
  if (u64(cursor.value()) != from) return fatal("another import takes it at this moment");
  for (const ImportedRow& row : batch.rows) {
    status = add(row);
    if (!status.ok()) return status;
    ++outcome.rows;
  }
  for (const auto& [begin, line] : batch.lines) {
    const u64 rows = exported->rows();
    status = exported->add(line);
    if (status.error_class() == ErrorClass::kFatal) {
      if (outcome.refused++ == 0) {
        outcome.refusal = "(at byte " + std::to_string(begin) + ") " + status.message();
      }
      continue;
    }
    if (!status.ok()) return status;
    outcome.rows += exported->rows() - rows;
  }
  status = restorer_.finish();
  return status.ok() ? writer_.commit(batch.end) : status;
}

Status Import::add(ImportedRow row) {
  if (auto* point = std::get_if<storage::PointRow>(&row)) {
    point->run = writer_.run();
    return restorer_.add(*point);
  }
  auto& [log, site] = std::get<ImportedLog>(row);
  log.run = writer_.run();
  if (site) {
    const Result<i64> id = restorer_.site(*site);
    if (!id.ok()) return id.status();
    log.site = id.value();
  }
  return restorer_.add(log);
}

// False: something is wrong with it.
bool tell(const Found& found, const Outcome& outcome, bool as_json, Output& output) {
  std::vector<std::string> problems;
  if (!outcome.problem.empty()) problems.push_back(outcome.problem);
  if (outcome.refused > 0) {
    problems.push_back(in_quotes(found.path) + ": " + std::to_string(outcome.refused) +
                       " lines are not as sluice export writes them and were left out; the first " +
                       outcome.refusal);
  }
  if (as_json) {
    nlohmann::ordered_json object{{"file", found.path},
                                  {"rows", outcome.rows},
                                  {"refused", outcome.refused},
                                  {"left_open", outcome.left_open}};
    if (!outcome.problem.empty()) object["problem"] = outcome.problem;
    output.write(json_line(object));
  } else {
    output.write(printable(found.path) + ": " + std::to_string(outcome.rows) + " rows" +
                 (outcome.left_open ? "; its last line is not finished and comes next time" : "") +
                 "\n");
  }
  for (const std::string& problem : problems) complain(problem);
  return problems.empty();
}

// "host=TEXT"
std::vector<storage::CustomColumn> read_columns(const std::vector<std::string>& texts,
                                                std::vector<std::string>& mistakes) {
  std::vector<storage::CustomColumn> columns;
  for (const std::string& text : texts) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos) {
      mistakes.push_back("--column: " + in_quotes(text) + " has no type; write host=TEXT");
    } else {
      columns.push_back({text.substr(0, equals), text.substr(equals + 1)});
    }
  }
  return columns;
}

int import_files(const ImportCommand& command) {
  std::vector<std::string> mistakes;
  std::string path = command.store;
  check_store_option(path, mistakes);
  std::vector<Found> files;
  for (const std::string& name : command.paths) find_files(name, 0, files, mistakes);
  const std::vector<storage::CustomColumn> columns = read_columns(command.columns, mistakes);
  if (!path.empty()) {
    const Status status = storage::check_file(path);
    if (!status.ok()) mistakes.push_back(status.message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  const Result<std::unique_ptr<storage::Writer>> writer = storage::Writer::open({.path = path});
  if (!writer.ok()) return refuse({writer.status().message()});
  storage::Restorer restorer(writer.value()->connection());
  if (const Status status = restorer.prepare(); !status.ok()) return refuse({status.message()});
  for (const storage::CustomColumn& column : columns) {
    const Status status = storage::retry_while_locked(os::monotonic_ns() + kLockWaitNs,
                                                      [&] { return restorer.column(column); });
    if (!status.ok()) mistakes.push_back("--column: " + status.message());
  }
  if (!mistakes.empty()) return refuse(mistakes);
  Import import(*writer.value(), restorer);
  Output output;
  bool sound = true;
  for (const Found& found : files) {
    // What lies beside the logs in a directory is no mistake: databases, archives.
    ImportFile probe;
    if (!found.named && !probe.open(found.path).ok()) {
      output.write(command.json ? "" : printable(found.path) + ": left out, no text\n");
      continue;
    }
    sound = tell(found, import.file(found.path), command.json, output) && sound;
  }
  for (const std::string& column : restorer.missing_columns()) {
    complain("the store has no column " + in_quotes(column) + "; its values were left out");
    sound = false;
  }
  output.flush();
  return sound ? output.exit_code() : kProblem;
}

}  // namespace

void add_import(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("import", "Take logs of any program into a store");
  auto command = std::make_shared<ImportCommand>();
  sub->add_option(
         "paths", command->paths,
         "Files of sluice export (also --csv), JSON Lines, logfmt, syslog or text, also .gz and "
         ".zst, and directories of them")
      ->type_name("PATH")
      ->required();
  sub->add_option("--store", command->store, "The database, made if needed (default: SLUICE_STORE)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  sub->add_option("--column", command->columns,
                  "Make this column of the store's logs, for CSV that has it; repeatable")
      ->type_name("NAME=TYPE")
      ->allow_extra_args(false);
  sub->add_flag("--json", command->json, "What was taken, one JSON object a file");
  sub->footer(
      "Each line is taken once: run it again after a kill, or when the files have grown. Exit "
      "code\n"
      "0; 1 something could not be taken; 2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return import_files(*command); }; });
}

}  // namespace sluice::cli
