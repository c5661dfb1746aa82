// sluice run: starts a program, keeps every line it writes, ends as it ends.
//
// The lines become records of the log, or with --stream of a stream (cli/run_stream.cc). Failure:
// neither costs the program its output or its exit code; what went wrong is said at the end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/logged_lines.h"
#include "cli/run_stream.h"
#include "cli/stream_options.h"
#include "cli/wrapped.h"
#include "os/process.h"
#include "runtime/collector_socket.h"
#include "runtime/runtime.h"
#include "runtime/variables.h"
#include "sluice/sluice.h"
#include "sluice/trace.h"

namespace sluice::cli {
namespace {

constexpr u32 kBlockDeadlineMs = 600'000;  // a pipe waits rather than drops
constexpr u32 kStopDeadlineMs = 30'000;
constexpr u64 kRingBytes = 1 << 20;
constexpr i64 kCollectorNs = 3'000'000'000;
constexpr i64 kCollectorLookNs = 5'000'000;

struct RunOptions {
  std::vector<std::string> text;
  std::vector<std::string> json_lines;
  std::vector<std::string> logfmt;
  std::vector<std::string> syslog;
  bool journald = false;
  std::vector<std::string> segments;
  std::vector<std::string> store;
  std::string product;
  std::string logger;
  bool to_stream = false;
  StreamCommand stream;
  bool quiet = false;
  std::vector<std::string> command;
};

std::string base_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string first_of(const std::string& wanted, const std::string& otherwise) {
  return wanted.empty() ? otherwise : wanted;
}

bool names_a_destination(const RunOptions& options) {
  const auto is_set = [](const char* variable) { return !os::environment(variable).empty(); };
  return !options.text.empty() || !options.json_lines.empty() || !options.logfmt.empty() ||
         !options.syslog.empty() || options.journald || !options.segments.empty() ||
         !options.store.empty() || is_set("SLUICE_TEXT") || is_set("SLUICE_JSON_LINES") ||
         is_set("SLUICE_LOGFMT") || is_set("SLUICE_SYSLOG") || is_set("SLUICE_JOURNALD") ||
         is_set("SLUICE_SEGMENTS") || is_set("SLUICE_STORE");
}

// Where nothing else is named, a collector keeps it. Empty: there is one, or there will be.
std::string no_collector() {
  const std::string wanted = os::environment("SLUICE_COLLECTOR");
  if (wanted == "off") return "SLUICE_COLLECTOR is off";
  if (wanted == "only") return {};
  int socket = -1;
  const std::string named = os::environment("SLUICE_COLLECTOR_SOCKET");
  std::string problem =
      runtime::connect_collector(first_of(named, runtime::default_ingest_socket()), socket);
  runtime::hang_up(socket);
  return problem;
}

std::vector<std::string> check(const RunOptions& options) {
  std::vector<std::string> mistakes;
  if (options.command.empty()) {
    mistakes.push_back(
        "no program to run; write it behind --, as in `sluice run --text out.log -- "
        "make -j4`");
  }
  const std::string problem =
      names_a_destination(options) || options.to_stream ? std::string() : no_collector();
  if (!problem.empty()) {
    mistakes.push_back(
        "nowhere to record to; add --text FILE, --json-lines FILE, --logfmt FILE, --syslog TO, "
        "--journald, --segments DIR or --store FILE, or --stream NAME --dir DIR, or start a "
        "collector, `sluice serve` (" +
        problem + ")");
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
  if (!names_a_destination(run)) {
    options.collector = Collector::automatic;
    options.quiet = run.quiet;  // a collector that does not take it is to be heard of
  }
  for (const std::string& path : run.text) options.sinks.push_back(text_file(path));
  for (const std::string& path : run.json_lines) options.sinks.push_back(json_file(path));
  for (const std::string& path : run.logfmt) options.sinks.push_back(logfmt_file(path));
  for (const std::string& to : run.syslog) options.sinks.push_back(syslog(to));
  if (run.journald) options.sinks.push_back(journald());
  for (const std::string& path : run.segments) options.sinks.push_back(segment_files(path));
  for (const std::string& path : run.store) options.sinks.push_back(store_file(path));
  return options;
}

void record_end(const Verdict& verdict) {
  if (verdict.signal != 0) {
    SLUICE_EVENT("run.end", kv("signal", verdict.signal), kv("reason", verdict.reason),
                 kv("duration_s", verdict.seconds));
  } else {
    SLUICE_EVENT("run.end", kv("exit_code", verdict.exit_code), kv("reason", verdict.reason),
                 kv("duration_s", verdict.seconds));
  }
}

// A console in its place would mix with what the program says. One that is slow to answer is asked
// again by a thread of the engine's.
bool is_left_to_collector() {
  const i64 until = os::monotonic_ns() + kCollectorNs;
  while (!runtime::runtime().is_left_to_collector()) {
    if (os::monotonic_ns() > until) return false;
    os::sleep_ns(kCollectorLookNs);
  }
  return true;
}

// The trace that this run is part of, or begins: the program and all that it starts inherit it as
// TRACEPARENT. Before there are threads. Empty: the variable is set to what is none (start() says
// so), and stays.
TraceContext inherited_trace() {
  TraceContext trace;
  if (trace.parse_environment() || !os::environment("TRACEPARENT").empty()) return trace;
  std::string text;
  while (!trace.parse(text)) {  // an id is not zero
    u64 random[3];
    os::random_bytes(random, sizeof random);
    text = fmt::format("00-{:016x}{:016x}-{:016x}-01", random[0], random[1], random[2]);
  }
  os::set_environment("TRACEPARENT", text);
  return trace;
}

int run_into_log(Wrapped& wrapped, const RunOptions& options, const TraceContext& trace) {
  const std::string name = base_name(options.command[0]);
  const Options engine = engine_options(options, first_of(options.product, name.substr(0, 63)));
  if (!start(engine)) {
    if (engine.quiet) complain(last_error());
    return kUsage;
  }
  if (!names_a_destination(options) && !is_left_to_collector()) {
    complain("nowhere to record to: the collector does not take it; add --text FILE or another");
    (void)stop();
    return kUsage;
  }
  // Where the engine is quiet because nobody watches, a mistake must not be.
  if (engine.quiet && !options.quiet) {
    for (const std::string& sentence : runtime::unknown_variables()) complain(sentence);
  }
  const std::string logger = first_of(options.logger, name);
  // Never destroyed, as what is wrapped.
  static LoggedLines& out = *new LoggedLines(Level::info, logger);
  static LoggedLines& error = *new LoggedLines(Level::warning, logger);
  Verdict verdict;
  if (const int failed = wrapped.start(options.command); failed != 0) {
    verdict = not_started(failed, options.command[0]);
  } else {
    // Before anything of the program's is read.
    SLUICE_EVENT("run.start", kv("program", options.command[0]), kv("program_pid", wrapped.pid()),
                 kv("directory", os::current_directory()), kv("trace_id", trace.trace_id()));
    verdict = wrapped.run_to_end(out, error);
  }
  if (const u64 lost = out.lost() + error.lost(); lost > 0) {
    complain(std::to_string(lost) +
             " lines were not recorded: the log could not take them in time");
  }
  record_end(verdict);
  if (!stop()) complain(last_error());
  if (!options.quiet && os::is_terminal(2) && wrapped.pid() != 0) {
    complain(name + " ended (" + verdict.in_words() + "), " +
             std::to_string(out.records() + error.records()) + " lines recorded");
  }
  return verdict.code();
}

int run(const RunOptions& options) {
  const std::vector<std::string> mistakes = check(options);
  if (!mistakes.empty()) return refuse(mistakes);
  const TraceContext trace = inherited_trace();
  // Never destroyed: a pump that is held up may still use it while the process exits.
  static Wrapped& wrapped = *new Wrapped;
  if (!options.to_stream) return run_into_log(wrapped, options, trace);
  return run_into_stream(wrapped, options.command, options.stream,
                         options.quiet || !os::is_terminal(2));
}

bool is_no_help(const CLI::Option* option) { return option->get_name() != "--help"; }

}  // namespace

void add_run(CLI::App& app, Chosen& chosen, const std::vector<std::string>& command) {
  CLI::App* const sub = app.add_subcommand("run", "Run a program and record every line it writes");
  auto options = std::make_shared<RunOptions>();
  sub->add_option("--text", options->text, "Record as lines of text in FILE")->type_name("FILE");
  sub->add_option("--json-lines", options->json_lines, "Record as JSON Lines in FILE")
      ->type_name("FILE");
  sub->add_option("--logfmt", options->logfmt, "Record as lines of logfmt in FILE")
      ->type_name("FILE");
  sub->add_option("--syslog", options->syslog,
                  "Send to syslog: a socket (/dev/log), udp:ADDRESS:PORT or tcp:ADDRESS:PORT")
      ->type_name("TO");
  sub->add_flag("--journald", options->journald, "Send to systemd's journal");
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
  const std::vector<CLI::Option*> of_the_log = sub->get_options(is_no_help);
  CLI::Option* const stream =
      sub->add_option("--stream", options->stream.name,
                      "Into the stream NAME in the directory DIR instead, as `sluice stream write`")
          ->type_name("NAME");
  for (CLI::Option* option : of_the_log) stream->excludes(option);
  add_stream_options(*sub, options->stream, stream);
  sub->add_flag("--quiet", options->quiet, "Say nothing of our own");
  // `--text A B` is a mistake; `--text A --text B` is not.
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "Usage: sluice run [OPTIONS] -- PROGRAM [ARGUMENT...]\n"
      "Ends with the program's exit code; 128+N when signal N killed it. With --stream, SIGUSR1\n"
      "finishes the stream's file and is not passed on.");
  sub->callback([options, command, stream, &chosen] {
    options->command = command;
    options->to_stream = stream->count() > 0;
    chosen = [options] { return run(*options); };
  });
}

}  // namespace sluice::cli
