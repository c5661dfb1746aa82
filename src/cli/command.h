// What the subcommands of `sluice` share: exit codes, and how they are registered and complain.
//
// One file per subcommand; each adds itself to the parser and leaves what is to be run in a
// Chosen. Threading: the main thread.
#ifndef SLUICE_SRC_CLI_COMMAND_H_
#define SLUICE_SRC_CLI_COMMAND_H_

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace CLI {
class App;
}

namespace sluice::cli {

enum ExitCode : int {
  kDone = 0,
  kProblem = 1,     // the command did its work and found something wrong (each says what)
  kUsage = 2,       // a mistake in the command line or the configuration; nothing was done
  kNotRunning = 3,  // status: there is no collector
  kNotExecutable = 126,
  kNotFound = 127,
  kSignalBase = 128,
};

using Chosen = std::function<int()>;

void add_run(CLI::App& app, Chosen& chosen, const std::vector<std::string>& command);
void add_append(CLI::App& app, Chosen& chosen);
void add_cat(CLI::App& app, Chosen& chosen);
void add_tail(CLI::App& app, Chosen& chosen);
void add_recover(CLI::App& app, Chosen& chosen);
void add_query(CLI::App& app, Chosen& chosen);
void add_logs(CLI::App& app, Chosen& chosen);
void add_metrics(CLI::App& app, Chosen& chosen);
void add_runs(CLI::App& app, Chosen& chosen);
void add_stats(CLI::App& app, Chosen& chosen);
void add_prune(CLI::App& app, Chosen& chosen);
void add_index(CLI::App& app, Chosen& chosen);
void add_backup(CLI::App& app, Chosen& chosen);
void add_export(CLI::App& app, Chosen& chosen);
void add_import(CLI::App& app, Chosen& chosen);
void add_stream(CLI::App& app, Chosen& chosen);
void add_upload(CLI::App& app, Chosen& chosen);
void add_verify(CLI::App& app, Chosen& chosen);
void add_demo(CLI::App& app, Chosen& chosen);
void add_selftest(CLI::App& app, Chosen& chosen);
void add_bench(CLI::App& app, Chosen& chosen);
void add_offlog(CLI::App& app, Chosen& chosen);
void add_top(CLI::App& app, Chosen& chosen);
void add_level(CLI::App& app, Chosen& chosen);
void add_doctor(CLI::App& app, Chosen& chosen);
void add_serve(CLI::App& app, Chosen& chosen);
void add_status(CLI::App& app, Chosen& chosen);

// One sentence on standard error, safe for a terminal.
void complain(std::string_view sentence);
// All of them, and kUsage.
int refuse(const std::vector<std::string>& mistakes);

// Why the directory of an option cannot be looked into, as a sentence; empty: it can, or none was
// named.
[[nodiscard]] std::string directory_mistake(std::string_view option, const std::string& directory);

// Standard output, collected into larger writes.
class Output {
 public:
  // False: nobody reads any more (a closed pipe), or the disk is full, which is said once.
  bool write(std::string_view text);
  bool flush();
  // The exit code of a command whose output ended: a reader that has gone is no failure.
  [[nodiscard]] ExitCode exit_code() const { return failed_ ? kProblem : kDone; }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  std::string buffer_;
  bool closed_ = false;
  bool failed_ = false;
};

// Text between quotes, safe for a terminal and for a sentence.
[[nodiscard]] std::string in_quotes(std::string_view text);
// The same without the quotes.
[[nodiscard]] std::string printable(std::string_view text);
// "17 B", "1.5 MiB".
[[nodiscard]] std::string size_text(u64 bytes);
[[nodiscard]] std::string hex_of(ByteView bytes);
// An object as a line of JSON, safe for a terminal; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& object);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_COMMAND_H_
