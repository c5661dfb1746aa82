#include "sink/line_format.h"

#include "record/json_lines.h"
#include "record/text_pattern.h"

namespace sluice::sink {
namespace {

template <class Renderer>
class Rendered final : public LineFormat {
 public:
  explicit Rendered(Renderer renderer) : renderer_(std::move(renderer)) {}
  bool append(const Entry& entry, TextBuffer& out) override { return renderer_.append(entry, out); }

 private:
  Renderer renderer_;
};

}  // namespace

Result<std::unique_ptr<LineFormat>> make_text_format(const std::string& pattern, bool color) {
  Result<TextPattern> compiled =
      TextPattern::compile(pattern.empty() ? kDefaultPattern : std::string_view(pattern),
                           TextPatternOptions{.color = color});
  if (!compiled.ok()) return compiled.status();
  return std::unique_ptr<LineFormat>(new Rendered<TextPattern>(std::move(compiled.value())));
}

std::unique_ptr<LineFormat> make_json_format() {
  return std::make_unique<Rendered<JsonLines>>(JsonLines());
}

}  // namespace sluice::sink
