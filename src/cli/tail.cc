// sluice tail: the last records, then every new one as it is written.
//
// Follows new segments, rotated files and live regions. Ends with --limit, when everything that is
// followed has ended (the process of a region), on SIGINT or SIGTERM (exit code 0), and when nobody
// reads its output any more.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <memory>

#include "cli/command.h"
#include "cli/store_tail.h"
#include "cli/view.h"
#include "os/child.h"

namespace sluice::cli {
namespace {

constexpr i64 kLookNs = 50'000'000;  // how often a file is asked for more
constexpr std::size_t kLinesMax = 1'000'000;

struct TailOptions {
  ViewOptions view;
  std::string store;
  std::size_t lines = 10;
};

class Tail {
 public:
  Tail(Filter filter, std::unique_ptr<Renderer> renderer,
       std::vector<std::unique_ptr<RecordSource>> sources)
      : view_(std::move(filter), std::move(renderer)), sources_(std::move(sources)) {}

  int run(std::size_t lines) {
    show_last(lines);
    while (open_ && !view_.limit_reached() && !stopped()) {
      bool ended = true;
      for (const auto& source : sources_) {
        const bool more = source->follow();
        if (more) show_new(*source);
        ended = ended && source->ended() && !more;
      }
      open_ = output_.flush() && open_;
      if (ended) break;
    }
    output_.flush();
    bool trouble = !output_.closed() && tell_troubles(sources_);
    if (const std::string hint = view_.hint(); !hint.empty()) {
      complain(hint);
      trouble = true;
    }
    return trouble ? kProblem : output_.exit_code();
  }

 private:
  void show_last(std::size_t lines) {
    std::deque<std::string> last;
    std::string_view line;
    for (const auto& source : sources_) {
      while (!told_to_stop() && view_.next(*source, line)) {
        if (lines == 0) continue;
        if (last.size() == lines) last.pop_front();
        last.emplace_back(line);
      }
    }
    for (const std::string& text : last) {
      if (view_.limit_reached()) break;
      show(text);
    }
    open_ = output_.flush() && open_;
  }

  void show_new(RecordSource& source) {
    std::string_view line;
    while (open_ && !view_.limit_reached() && !told_to_stop() && view_.next(source, line)) {
      show(line);
    }
  }

  void show(std::string_view line) {
    view_.count_shown();
    open_ = output_.write(line) && open_;
  }

  // Waits a little for a signal, or for the end of whoever reads our output.
  bool stopped() {
    (void)os::wait_readable(inbox_.fd(), -1, kLookNs);
    if (os::reader_has_gone(1)) open_ = false;
    return told_to_stop();
  }
  bool told_to_stop() {
    for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
      told_ = told_ || os::is_end_signal(signal.number);
    }
    return told_;
  }

  os::SignalInbox inbox_;
  View view_;
  std::vector<std::unique_ptr<RecordSource>> sources_;
  Output output_;
  bool open_ = true;
  bool told_ = false;
};

int tail(const TailOptions& options) {
  std::vector<std::string> mistakes;
  if (options.lines > kLinesMax) {
    mistakes.push_back("--lines: at most " + std::to_string(kLinesMax) + "; use `sluice " +
                       (options.store.empty() ? "cat`" : "logs`"));
  }
  if (!options.store.empty()) {
    const bool all = !options.view.since.empty();
    return tail_store(options.store, options.view, all ? kLinesMax : options.lines,
                      std::move(mistakes));
  }
  Filter filter = make_filter(options.view, mistakes);
  auto renderer = make_renderer(options.view, mistakes);
  // From a time on: what was written since may fill more than the newest segment.
  const bool newest = options.view.since.empty();
  const u64 last = newest ? std::max<u64>(options.lines, 1) : 0;
  auto sources = open_sources(options.view, {.following = true, .last_records = last}, mistakes);
  for (const std::string& source : options.view.sources) {
    if (source == "-") mistakes.push_back("-: standard input is not followed; use `sluice cat -`");
  }
  if (!mistakes.empty()) return refuse(mistakes);
  const std::size_t lines = newest ? options.lines : kLinesMax;
  return Tail(std::move(filter), std::move(renderer), std::move(sources)).run(lines);
}

}  // namespace

void add_tail(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("tail", "Show the last records, then every new one as it is written");
  auto options = std::make_shared<TailOptions>();
  add_view_options(*sub, options->view);
  sub->add_option("--store", options->store, "The database of a store, instead of a SOURCE")
      ->type_name("FILE");
  sub->add_option("-n,--lines", options->lines,
                  "How many of the last records to begin with (default 10; all with --since)")
      ->type_name("N");
  sub->footer("Ends with --limit, Ctrl-C (exit code 0), or with the process of a region.");
  sub->callback([options, &chosen] { chosen = [options] { return tail(*options); }; });
}

}  // namespace sluice::cli
