#include "cli/view.h"

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/live_regions.h"
#include "os/process.h"
#include "record/ecs_json.h"
#include "record/escape.h"
#include "record/json_lines.h"
#include "record/json_text.h"
#include "record/logfmt.h"
#include "record/otel_json.h"

namespace sluice::cli {
namespace {

// JSON Lines, logfmt and text patterns, which have the same face.
template <class Format>
class RenderedBy final : public Renderer {
 public:
  // `verbatim`: a line that has the wanted form already goes out as it came.
  template <class... Argument>
  explicit RenderedBy(bool verbatim, Argument&&... argument)
      : format_(std::forward<Argument>(argument)...), verbatim_(verbatim) {}

  std::string_view line(const Entry& entry, const RecordSource& source) override {
    buffer_.clear();
    if (verbatim_ && !source.line().empty() && source.line_is_json() == kJson) {
      char* at = buffer_.begin_record();
      if constexpr (kJson) {
        at = put_json_line(buffer_, at, source.line());
      } else {
        at = put_escaped<TextForm::kText>(buffer_, at, source.line());
      }
      (void)buffer_.end_record(put_raw(buffer_, at, "\n"));
    } else {
      (void)format_.append(entry, buffer_);
    }
    return buffer_.text();
  }
  void forget_sites() override { format_.forget_sites(); }

 private:
  static constexpr bool kJson = std::is_same_v<Format, JsonLines>;
  Format format_;
  const bool verbatim_;
  TextBuffer buffer_;
};

bool wants_color() {
  return os::is_terminal(1) && os::environment("NO_COLOR").empty() &&
         os::environment("TERM") != "dumb";
}

}  // namespace

void add_view_options(CLI::App& app, ViewOptions& options) {
  app.add_option("sources", options.sources,
                 "Segments (file or directory), text or JSON Lines files, region files; - reads "
                 "standard input")
      ->type_name("SOURCE");
  app.add_option("--pid", options.pid, "The live region of process N")->type_name("N");
  app.add_option("--product", options.product, "The live regions of this product")
      ->type_name("NAME");
  app.add_option("--directory", options.directory, "Look for live regions in this directory")
      ->type_name("DIR");
  add_filter_options(app, options);
  app.add_option("--format", options.format, "text, json, logfmt, otel or ecs")->type_name("FORM");
  app.add_flag("--json", options.json, "The same as --format json");
  app.add_option("--pattern", options.pattern, "Layout of text lines, see docs/logging.md")
      ->type_name("PATTERN");
}

std::vector<std::unique_ptr<RecordSource>> open_sources(const ViewOptions& options,
                                                        const SourceOptions& how,
                                                        std::vector<std::string>& mistakes) {
  std::vector<std::string> paths = options.sources;
  for (std::string& path :
       find_live_regions({options.pid, options.product, options.directory}, mistakes)) {
    paths.push_back(std::move(path));
  }
  if (paths.empty() && mistakes.empty()) {
    mistakes.push_back("nothing to read; name a file, a directory of segments, --pid or --product");
  }
  std::vector<std::unique_ptr<RecordSource>> sources;
  for (const std::string& path : paths) {
    auto source = path == "-" ? open_lines(path, how) : open_source(path, how);
    if (source.ok()) {
      sources.push_back(std::move(source.value()));
    } else {
      mistakes.push_back(source.status().message());
    }
  }
  return sources;
}

std::optional<TextPattern> make_pattern(const std::string& pattern,
                                        std::vector<std::string>& mistakes) {
  auto compiled =
      TextPattern::compile(pattern.empty() ? kDefaultPattern : pattern, {.color = wants_color()});
  if (compiled.ok()) return std::move(compiled.value());
  mistakes.push_back("--pattern: " + compiled.status().message());
  return std::nullopt;
}

std::unique_ptr<Renderer> make_renderer(const ViewOptions& options,
                                        std::vector<std::string>& mistakes) {
  const std::string form = options.json ? "json" : options.format;
  if (form == "json") return std::make_unique<RenderedBy<JsonLines>>(true);
  if (form == "logfmt") return std::make_unique<RenderedBy<Logfmt>>(false);
  if (form == "otel") return std::make_unique<RenderedBy<OtelJson>>(false);
  if (form == "ecs") return std::make_unique<RenderedBy<EcsJson>>(false);
  if (form != "text") {
    mistakes.push_back("--format: " + in_quotes(form) +
                       " is no form; write text, json, logfmt, otel or ecs");
    return nullptr;
  }
  auto pattern = make_pattern(options.pattern, mistakes);
  if (!pattern) return nullptr;
  return std::make_unique<RenderedBy<TextPattern>>(options.pattern.empty(), std::move(*pattern));
}

bool View::next(RecordSource& source, std::string_view& line) {
  while (const Entry* entry = source.next()) {
    if (&source != last_source_ || source.generation() != last_generation_) {
      renderer_->forget_sites();
      message_.forget_sites();
      last_source_ = &source;
      last_generation_ = source.generation();
    }
    // Of a line of text, all that stands there can be looked for.
    const bool text = !source.line().empty() && !source.line_is_json();
    (text ? met_text_ : met_other_) = true;
    std::string_view message;
    if (filter_.needs_message()) message = text ? source.line() : message_.of(*entry);
    if (!filter_.matches(*entry, message)) continue;
    line = renderer_->line(*entry, source);
    return true;
  }
  return false;
}

std::string View::hint() const {
  std::string asked;
  if (!filter_.logger.empty()) asked += " --logger";
  if (!filter_.fields.empty()) asked += " --field";
  if (!filter_.run.empty()) asked += " --run";
  // A stray line among JSON is no reason to complain.
  if (!met_text_ || met_other_ || asked.empty()) return {};
  return "lines of text do not say what" + asked +
         " asks for and were left out; use --grep, or read JSON Lines or segments";
}

bool tell_troubles(const std::vector<std::unique_ptr<RecordSource>>& sources) {
  bool any = false;
  for (const auto& source : sources) {
    const std::string trouble = source->trouble();
    if (trouble.empty()) continue;
    complain(trouble);
    any = true;
  }
  return any;
}

}  // namespace sluice::cli
