// What `cat` and `tail` have in common: the sources, the filter, the forms of output.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_VIEW_H_
#define SLUICE_SRC_CLI_VIEW_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/filter_options.h"
#include "cli/record_source.h"
#include "record/filter.h"
#include "record/message.h"
#include "record/text_buffer.h"
#include "record/text_pattern.h"

namespace CLI {
class App;
}

namespace sluice::cli {

struct ViewOptions : FilterOptions {
  std::vector<std::string> sources;
  std::string pid;
  std::string product;
  std::string directory;
  std::string format = "text";
  bool json = false;
  std::string pattern;
};

void add_view_options(CLI::App& app, ViewOptions& options);

// Opens everything that the options name; adds every mistake.
[[nodiscard]] std::vector<std::unique_ptr<RecordSource>> open_sources(
    const ViewOptions& options, const SourceOptions& how, std::vector<std::string>& mistakes);

// Turns records into lines of the form that was asked for.
class Renderer {
 public:
  virtual ~Renderer() = default;
  // The line, with its newline; valid until the next call.
  [[nodiscard]] virtual std::string_view line(const Entry& entry, const RecordSource& source) = 0;
  virtual void forget_sites() = 0;
};
// "%(time) ..." as the options say, with colours on a terminal that may have them.
[[nodiscard]] std::optional<TextPattern> make_pattern(const std::string& pattern,
                                                      std::vector<std::string>& mistakes);
[[nodiscard]] std::unique_ptr<Renderer> make_renderer(const ViewOptions& options,
                                                      std::vector<std::string>& mistakes);

// Filters and renders the records of several sources.
class View {
 public:
  View(Filter filter, std::unique_ptr<Renderer> renderer)
      : filter_(std::move(filter)), renderer_(std::move(renderer)) {}

  // The line of the source's next record that passes; false when it has no more (for now).
  [[nodiscard]] bool next(RecordSource& source, std::string_view& line);
  // What was asked for and lines of text cannot say, as a sentence; empty: nothing.
  [[nodiscard]] std::string hint() const;
  [[nodiscard]] bool limit_reached() const { return filter_.limit && shown_ >= *filter_.limit; }
  void count_shown() { ++shown_; }

 private:
  Filter filter_;
  std::unique_ptr<Renderer> renderer_;
  MessageText message_;
  const RecordSource* last_source_ = nullptr;
  u64 last_generation_ = 0;
  u64 shown_ = 0;
  bool met_text_ = false;   // lines of text
  bool met_other_ = false;  // records that say all about themselves
};

// Tells what could not be read; true when there was any.
bool tell_troubles(const std::vector<std::unique_ptr<RecordSource>>& sources);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_VIEW_H_
