// sluice cat: the records of files, segments and regions, filtered, as text, JSON or logfmt.
//
// Sources come one after the other. Exit code 0; 1 when something could not be read.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/view.h"

namespace sluice::cli {
namespace {

int cat(const ViewOptions& options) {
  std::vector<std::string> mistakes;
  Filter filter = make_filter(options, mistakes);
  auto renderer = make_renderer(options, mistakes);
  auto sources = open_sources(options, {}, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  View view(std::move(filter), std::move(renderer));
  Output output;
  bool open = true;
  for (const auto& source : sources) {
    std::string_view line;
    while (open && !view.limit_reached() && view.next(*source, line)) {
      view.count_shown();
      open = output.write(line);
    }
  }
  output.flush();
  // A reader that has gone wants to hear no more.
  bool trouble = !output.closed() && tell_troubles(sources);
  if (const std::string hint = view.hint(); !hint.empty()) {
    complain(hint);
    trouble = true;
  }
  return trouble ? kProblem : output.exit_code();
}

}  // namespace

void add_cat(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("cat", "Show records from files, segments and regions");
  auto options = std::make_shared<ViewOptions>();
  add_view_options(*sub, *options);
  sub->footer("Exit code 0; 1 when something could not be read; 2 for a mistake.");
  sub->callback([options, &chosen] { chosen = [options] { return cat(*options); }; });
}

}  // namespace sluice::cli
