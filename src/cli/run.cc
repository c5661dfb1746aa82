// sluice run: starts a program, records every line it writes, ends as it ends.
//
//   program ── stdout ──► pipe ──► LinePump "stdout" ──► our stdout, and log_text()
//           ── stderr ──► pipe ──► LinePump "stderr" ──► our stderr, and log_text()
//   main thread: signals to the program, its end, the verdict (event run.end)
//
// The program inherits standard input, the terminal and its process group: Ctrl-C and Ctrl-Z reach
// it without us; signals that were sent to us alone are passed on. Failure: the log never costs the
// program its output or its exit code; what went wrong with the log is said at the end.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "cli/command.h"
#include "cli/line_pump.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "runtime/variables.h"
#include "sluice/sluice.h"

namespace sluice::cli {
namespace {

constexpr u32 kBlockDeadlineMs = 600'000;  // a pipe waits rather than drops
constexpr u32 kStopDeadlineMs = 30'000;
constexpr u64 kRingBytes = 1 << 20;
constexpr double kNsPerSecond = 1e9;

struct RunOptions {
  std::vector<std::string> text;
  std::vector<std::string> json_lines;
  std::vector<std::string> segments;
  std::vector<std::string> store;
  std::string product;
  std::string logger;
  bool quiet = false;
  std::vector<std::string> command;
};

struct Verdict {
  int exit_code = 0;
  int signal = 0;
  std::string reason;
  double seconds = 0;
};

std::string base_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string first_of(const std::string& wanted, const std::string& otherwise) {
  return wanted.empty() ? otherwise : wanted;
}

std::vector<std::string> check(const RunOptions& options) {
  std::vector<std::string> mistakes;
  if (options.command.empty()) {
    mistakes.push_back(
        "no program to run; write it behind --, as in `sluice run --text out.log -- "
        "make -j4`");
  }
  const std::size_t sinks = options.text.size() + options.json_lines.size() +
                            options.segments.size() + options.store.size();
  const bool by_variable =
      !os::environment("SLUICE_TEXT").empty() || !os::environment("SLUICE_JSON_LINES").empty() ||
      !os::environment("SLUICE_SEGMENTS").empty() || !os::environment("SLUICE_STORE").empty();
  if (sinks == 0 && !by_variable) {
    mistakes.push_back(
        "nowhere to record to; add --text FILE, --json-lines FILE, --segments DIR or --store FILE");
  }
  return mistakes;
}

Options engine_options(const RunOptions& run, const std::string& product) {
  Options options;
  options.product = product;
  options.level = Level::trace;  // the program has decided what it says
  options.ring_bytes = kRingBytes;
  options.overflow = Overflow::block;
  options.block_deadline_ms = kBlockDeadlineMs;
  options.stop_deadline_ms = kStopDeadlineMs;
  options.quiet = run.quiet || !os::is_terminal(2);
  for (const std::string& path : run.text) options.sinks.push_back(text_file(path));
  for (const std::string& path : run.json_lines) options.sinks.push_back(json_file(path));
  for (const std::string& path : run.segments) options.sinks.push_back(segment_files(path));
  for (const std::string& path : run.store) options.sinks.push_back(store_file(path));
  return options;
}

// The wrapped program with both of its streams.
class Wrapped {
 public:
  // Before start(): signals must be blocked before the library makes threads.
  Wrapped() = default;

  // 0, or -errno as os::spawn() gives it.
  int start(const RunOptions& options, const std::string& logger) {
    os::Pipe out, error;
    int failed = os::make_pipe(out);
    if (failed == 0) failed = os::make_pipe(error);
    if (failed == 0) failed = os::spawn(options.command, out.write_end, error.write_end, pid_);
    os::close_descriptor(out.write_end);
    os::close_descriptor(error.write_end);
    if (failed != 0) {
      os::close_descriptor(out.read_end);
      os::close_descriptor(error.read_end);
      return failed;
    }
    // Before anything of the program's is read.
    SLUICE_EVENT("run.start", kv("program", options.command[0]), kv("program_pid", pid_),
                 kv("directory", os::current_directory()));
    begin(out.read_end, 1, Level::info, "stdout", logger);
    begin(error.read_end, 2, Level::warning, "stderr", logger);
    return 0;
  }

  // Until the program has ended and its streams are read; passes signals on meanwhile.
  os::ChildEnd wait() {
    os::ChildEnd end;
    while (!end.ended) {
      (void)os::wait_readable(inbox_.fd(), -1, -1);
      for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
        if (os::is_child_signal(signal.number)) {
          end = os::child_end(pid_, false);
        } else if (!signal.by_kernel) {
          os::send_signal(pid_, signal.number);
        }
      }
    }
    program_gone_.raise();
    read_out();
    return end;
  }

  [[nodiscard]] u32 pid() const { return pid_; }
  [[nodiscard]] u64 records() const { return pumps_[0]->records() + pumps_[1]->records(); }
  [[nodiscard]] u64 lost() const { return pumps_[0]->lost() + pumps_[1]->lost(); }

 private:
  void begin(int from, int to, Level usual, const char* name, const std::string& logger) {
    const int index = to - 1;
    pumps_[index] = std::make_unique<LinePump>(PumpOptions{from, to, usual, name, logger});
    threads_[index] = std::thread([this, index] { pumps_[index]->run(program_gone_); });
  }

  // A pump can be held up for ever only by a terminal that takes nothing: a signal ends that wait.
  void read_out() {
    constexpr i64 kLookNs = 20'000'000;
    bool told_to_end = false;
    while (!told_to_end && !(pumps_[0]->finished() && pumps_[1]->finished())) {
      (void)os::wait_readable(inbox_.fd(), -1, kLookNs);
      for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
        told_to_end = told_to_end || os::is_end_signal(signal.number);
      }
    }
    for (int i = 0; i < 2; ++i) {
      if (pumps_[i]->finished()) {
        threads_[i].join();
      } else {
        threads_[i].detach();  // the process ends soon; we live as long as that
      }
    }
  }

  os::SignalInbox inbox_;
  os::Flag program_gone_;
  u32 pid_ = 0;
  std::unique_ptr<LinePump> pumps_[2];
  std::thread threads_[2];
};

void record_end(const Verdict& verdict) {
  if (verdict.signal != 0) {
    SLUICE_EVENT("run.end", kv("signal", verdict.signal), kv("reason", verdict.reason),
                 kv("duration_s", verdict.seconds));
  } else {
    SLUICE_EVENT("run.end", kv("exit_code", verdict.exit_code), kv("reason", verdict.reason),
                 kv("duration_s", verdict.seconds));
  }
}

Verdict not_started(int error, const std::string& program) {
  Verdict verdict;
  const bool missing = error == -ENOENT || error == -ENOTDIR;
  verdict.exit_code = missing ? kNotFound : kNotExecutable;
  verdict.reason = missing ? "not found" : "cannot be executed";
  if (missing) {
    complain("cannot run " + in_quotes(program) +
             ": there is no such program; check the name, or write its path");
  } else {
    complain("cannot run " + in_quotes(program) + ": " + os::error_text(-error) +
             "; is it a program, and executable (chmod +x)?");
  }
  return verdict;
}

Verdict run_wrapped(Wrapped& wrapped, const RunOptions& options, const std::string& logger) {
  const i64 began = os::monotonic_ns();
  const int failed = wrapped.start(options, logger);
  if (failed != 0) return not_started(failed, options.command[0]);
  const os::ChildEnd end = wrapped.wait();
  Verdict verdict;
  verdict.exit_code = end.exit_code;
  verdict.signal = end.signal;
  verdict.reason = end.signal ? os::signal_name(end.signal) : "exited";
  verdict.seconds = double(os::monotonic_ns() - began) / kNsPerSecond;
  if (wrapped.lost() > 0) {
    complain(std::to_string(wrapped.lost()) +
             " lines were not recorded: the log could not take them in time");
  }
  return verdict;
}

int run(const RunOptions& options) {
  const std::vector<std::string> mistakes = check(options);
  if (!mistakes.empty()) return refuse(mistakes);
  const std::string name = base_name(options.command[0]);
  const std::string product = first_of(options.product, name.substr(0, 63));
  // Never destroyed: a pump that is held up may still use it while the process exits.
  static Wrapped& wrapped = *new Wrapped;
  const Options engine = engine_options(options, product);
  if (!start(engine)) {
    if (engine.quiet) complain(last_error());
    return kUsage;
  }
  // Where the engine is quiet because nobody watches, a mistake must not be.
  if (engine.quiet && !options.quiet) {
    for (const std::string& sentence : runtime::unknown_variables()) complain(sentence);
  }
  const Verdict verdict = run_wrapped(wrapped, options, first_of(options.logger, name));
  record_end(verdict);
  if (!stop()) complain(last_error());
  const int code = verdict.signal ? kSignalBase + verdict.signal : verdict.exit_code;
  if (!engine.quiet && wrapped.pid() != 0) {
    complain(name + " ended (" + verdict.reason + ", " + std::to_string(code) + "), " +
             std::to_string(wrapped.records()) + " lines recorded");
  }
  return code;
}

}  // namespace

void add_run(CLI::App& app, Chosen& chosen, const std::vector<std::string>& command) {
  CLI::App* const sub = app.add_subcommand("run", "Run a program and record every line it writes");
  auto options = std::make_shared<RunOptions>();
  sub->add_option("--text", options->text, "Record as lines of text in FILE")->type_name("FILE");
  sub->add_option("--json-lines", options->json_lines, "Record as JSON Lines in FILE")
      ->type_name("FILE");
  sub->add_option("--segments", options->segments, "Record as segments in directory DIR")
      ->type_name("DIR");
  sub->add_option("--store", options->store, "Record as rows of the database FILE")
      ->type_name("FILE");
  sub->add_option("--product", options->product,
                  "Name of what is run (default: the program's name)")
      ->type_name("NAME");
  sub->add_option("--logger", options->logger,
                  "Logger of the records (default: the program's name)")
      ->type_name("NAME");
  sub->add_flag("--quiet", options->quiet, "Say nothing of our own");
  // `--text A B` is a mistake; `--text A --text B` is not.
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "Usage: sluice run [OPTIONS] -- PROGRAM [ARGUMENT...]\n"
      "Ends with the program's exit code; 128+N when signal N killed it.");
  sub->callback([options, command, &chosen] {
    options->command = command;
    chosen = [options] { return run(*options); };
  });
}

}  // namespace sluice::cli
