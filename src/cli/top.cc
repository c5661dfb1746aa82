// sluice top: what running processes say now: records, bytes and drops a second of each call site,
// and their metrics.
//
// Exit code 0; 1 standard output could not be written, or a collector did not answer; 2 a mistake
// in the command line, or no such process; 3 no collector runs there. Ends with --once, on SIGINT
// or SIGTERM, when every process that was named has ended, and when nobody reads its output any
// more.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "base/durations.h"
#include "cli/top_source.h"
#include "cli/top_text.h"
#include "os/child.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

// A journal of 8 MiB lasts so long at 400 MB/s.
constexpr i64 kLookAroundNs = 20'000'000;

struct TopCommand {
  TopScope scope;
  double interval_s = 1;
  double timeout_s = 10;
  std::size_t limit = 20;
  bool collector = false;
  bool json = false;
};

class Top {
 public:
  explicit Top(const TopCommand& command)
      : command_(command),
        source_(command.collector ? collector_source(scope(command.scope))
                                  : regions_source(scope(command.scope))) {}

  int run() {
    const ExitCode begun = source_->begin();
    if (begun != kDone) return begun;
    const bool once = command_.scope.once;
    const bool screen = !command_.json && !once && os::is_terminal(1);
    while (wait_for_next()) {
      const TopSource::Look look = source_->look();
      if (look.code != kDone && once) {
        complain(look.trouble);
        return look.code;
      }
      if (screen) output_.write("\x1b[H\x1b[2J");
      if (command_.json) {
        if (look.code != kDone && look.trouble != said_) complain(look.trouble);
        said_ = look.trouble;
      } else if (!look.trouble.empty()) {
        output_.write(printable(look.trouble) + "\n");
      }
      for (const RegionRate& rate : look.rates) {
        output_.write(command_.json ? rate_in_json(rate) : rate_in_words(rate, command_.limit));
      }
      if (!output_.flush() || once || look.is_last) break;
    }
    return output_.exit_code();
  }

 private:
  [[nodiscard]] TopScope scope(TopScope asked) const {
    asked.stop_fd = inbox_.fd();
    return asked;
  }
  // False: it was told to stop, or nobody reads.
  bool wait_for_next() {
    const i64 end = os::monotonic_ns() + i64(command_.interval_s * double(kNsPerSecond));
    for (i64 now = os::monotonic_ns(); now < end; now = os::monotonic_ns()) {
      (void)os::wait_readable(inbox_.fd(), -1, std::min(kLookAroundNs, end - now));
      for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
        if (os::is_end_signal(signal.number)) return false;
      }
      if (os::reader_has_gone(1)) return false;
      source_->read_on(end);
    }
    return true;
  }

  const TopCommand& command_;
  os::SignalInbox inbox_;
  const std::unique_ptr<TopSource> source_;
  std::string said_;
  Output output_;
};

}  // namespace

void add_top(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("top", "Shows what running processes say and count each second");
  auto command = std::make_shared<TopCommand>();
  TopScope& scope = command->scope;
  sub->add_option("processes", scope.processes,
                  "Their numbers or products (none: every process of this user)")
      ->type_name("PROCESS");
  CLI::Option* const directory =
      sub->add_option("--directory", scope.directory, "Look for live regions in this directory")
          ->type_name("DIR");
  CLI::Option* const collector =
      sub->add_flag("--collector", command->collector,
                    "Ask the collector about what it drains, and open no region")
          ->excludes(directory);
  sub->add_option("--socket", scope.socket,
                  "Its admin socket (default: SLUICE_SERVE_ADMIN_SOCKET, or this user's)")
      ->type_name("PATH")
      ->needs(collector);
  sub->add_option("--timeout", command->timeout_s,
                  "How long to wait for its answer, in seconds (10)")
      ->type_name("S")
      ->check(CLI::Range(0.01, 3600.0))
      ->needs(collector);
  sub->add_option("--interval", command->interval_s, "Seconds between two looks (1)")
      ->type_name("S")
      ->check(CLI::Range(0.05, 3600.0));
  sub->add_option("--limit", command->limit, "Rows of call sites, and of metrics, a process (20)")
      ->type_name("N");
  sub->add_flag("--once", scope.once, "One look, then the end");
  sub->add_flag("--json", command->json, "A process a line, with counts of the interval");
  sub->footer(
      "Ends on Ctrl-C (exit code 0), or with the processes that were named. With --collector exit\n"
      "code 1: it did not answer; 3: none runs there.");
  sub->callback([command, &chosen] {
    command->scope.timeout_ns = i64(command->timeout_s * double(kNsPerSecond));
    chosen = [command] { return Top(*command).run(); };
  });
}

}  // namespace sluice::cli
