// sluice selftest: does a call wait on this machine, and is every record accounted for, while the
// backend is stopped, the disk full, the consumer frozen, the ring full?
//
// Each condition is tried in a process of its own (cli/trial.h); this one starts them, freezes what
// is to be frozen, and judges. Exit code 0: nothing waited, nothing was lost uncounted; 1
// otherwise. A condition that this machine does not let us bring about is said and does not fail.
#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "cli/line_splitter.h"
#include "cli/trial.h"
#include "os/child.h"
#include "os/io.h"
#include "os/process.h"
#include "os/trial.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kLineBytes = 64 * 1024;

struct SelftestOptions {
  std::string only;
  std::string trial;  // we are the process of this trial
  u64 calls = 200'000;
  bool json = false;
};

// Serves one trial's process: freezes and thaws its thread, takes its report.
class TrialServer {
 public:
  // False: it ended without a report.
  bool run(const std::vector<std::string>& command, TrialReport& report) {
    os::Pipe out;
    u32 pid = 0;
    if (os::make_pipe(out) != 0) return false;
    // What the library says of the hardship is no news here.
    int silence = os::real_io().open("/dev/null", os::kWrite);
    const int failed = os::spawn(command, out.write_end, silence, pid);
    os::close_descriptor(silence);
    os::close_descriptor(out.write_end);
    bool reported = false;
    if (failed == 0) reported = serve(out.read_end, report);
    os::close_descriptor(out.read_end);
    if (failed == 0) (void)os::child_end(pid, true);
    return reported;
  }

 private:
  bool serve(int from, TrialReport& report) {
    LineSplitter lines(kLineBytes);
    char bytes[4096];
    bool reported = false;
    const auto take = [&](const LinePiece& piece) {
      if (piece.text.starts_with("freeze ")) return freeze(piece.text.substr(7));
      if (piece.text == "measured") return thaw();
      reported = from_json(piece.text, report) || reported;
    };
    for (;;) {
      const i64 got = os::real_io().read(from, bytes, sizeof bytes);
      if (got <= 0) break;
      lines.add({bytes, std::size_t(got)}, take);
    }
    thaw();
    return reported;
  }

  void freeze(std::string_view number) {
    u32 tid = 0;
    (void)std::from_chars(number.data(), number.data() + number.size(), tid);
    if (tid != 0 && os::freeze_thread(tid) == 0) frozen_ = tid;
  }
  void thaw() {
    if (frozen_ != 0) os::thaw_thread(frozen_);
    frozen_ = 0;
  }

  u32 frozen_ = 0;
};

std::string padded(std::string text, std::size_t width, bool right) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  return right ? space + text : text + space;
}

std::string ns_text(double ns) {
  char text[32];
  if (ns < 10'000) {
    std::snprintf(text, sizeof text, "%.0f ns", ns);
  } else if (ns < 10'000'000) {
    std::snprintf(text, sizeof text, "%.0f us", ns / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f ms", ns / 1e6);
  }
  return text;
}

std::string row(const std::vector<std::string>& cells) {
  constexpr std::size_t kWidths[] = {16, 9, 9, 9, 10, 10, 10, 6, 10};
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool last = i + 1 == cells.size();
    line += (i ? " " : "") + (last ? " " + cells[i] : padded(cells[i], kWidths[i], i > 0));
  }
  return line + "\n";
}

std::string verdict(const TrialReport& report) {
  if (!report.skipped.empty()) return "skipped: " + report.skipped;
  if (!report.conserved()) {
    return "FAILED: " + std::to_string(report.admitted) + " accepted but " +
           std::to_string(report.delivered) + " delivered; " + std::to_string(report.dropped) +
           " refused but " + std::to_string(report.counted_drops) + " counted";
  }
  if (report.waits > 0) return "FAILED: a call waited";
  return "ok";
}

std::string to_row(const TrialReport& report) {
  if (!report.skipped.empty())
    return padded(report.condition, 16, false) + " " + verdict(report) + "\n";
  return row({report.condition, std::to_string(report.attempted), std::to_string(report.delivered),
              std::to_string(report.dropped), ns_text(report.p50_ns), ns_text(report.p999_ns),
              ns_text(report.max_ns), std::to_string(report.waits),
              std::to_string(report.preempted), verdict(report)});
}

int selftest(const SelftestOptions& options) {
  if (!options.trial.empty()) {
    const std::string line = to_json(run_trial(options.trial, options.calls)) + "\n";
    return os::write_fully(1, line.data(), line.size()) == 0 ? kDone : kProblem;
  }
  bool known = options.only.empty();
  for (const Condition& condition : conditions()) known = known || condition.name == options.only;
  if (!known) {
    std::string names;
    for (const Condition& condition : conditions()) {
      names += (names.empty() ? "" : ", ") + in_quotes(condition.name);
    }
    return refuse({"--only: " + in_quotes(options.only) + " is no condition; there are " + names});
  }
  Output output;
  if (!options.json) {
    output.write(row({"condition", "calls", "delivered", "dropped", "p50", "p99.9", "worst",
                      "waits", "preempted", "verdict"}));
  }
  bool failed = false;
  for (const Condition& condition : conditions()) {
    if (!options.only.empty() && condition.name != options.only) continue;
    TrialReport report;
    report.condition = condition.name;
    const std::vector<std::string> command = {os::program_path(), "selftest",
                                              "--trial",          std::string(condition.name),
                                              "--calls",          std::to_string(options.calls)};
    if (!TrialServer().run(command, report)) {
      report.skipped = "its process ended without a report";
      failed = true;
    }
    failed = failed || (report.skipped.empty() && !report.passed());
    output.write(options.json ? to_json(report) + "\n" : to_row(report));
    output.flush();
  }
  return failed ? kProblem : output.exit_code();
}

}  // namespace

void add_selftest(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand(
      "selftest", "Try on this machine that no call waits and every record is accounted for");
  auto options = std::make_shared<SelftestOptions>();
  sub->add_option("--only", options->only, "Only this condition")->type_name("CONDITION");
  sub->add_option("--calls", options->calls, "Calls in each condition")
      ->type_name("N")
      ->check(CLI::Range(u64{1}, u64{10'000'000}));
  sub->add_flag("--json", options->json, "One JSON object for each condition");
  sub->add_option("--trial", options->trial)->group("");
  sub->footer(
      "waits: how often the calling thread waited inside a call (voluntary context switches).\n"
      "preempted: how often the scheduler took the processor away meanwhile; it makes `worst`.\n"
      "Exit code 1: a call waited, or a record went missing uncounted.");
  sub->callback([options, &chosen] { chosen = [options] { return selftest(*options); }; });
}

}  // namespace sluice::cli
