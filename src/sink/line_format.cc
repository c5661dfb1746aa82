#include "sink/line_format.h"

#include "record/ecs_json.h"
#include "record/journal_text.h"
#include "record/json_lines.h"
#include "record/logfmt.h"
#include "record/otel_json.h"
#include "record/syslog_text.h"
#include "record/text_pattern.h"

namespace sluice::sink {
namespace {

template <class Renderer>
class Rendered final : public LineFormat {
 public:
  template <class... Argument>
  explicit Rendered(Argument&&... argument) : renderer_(std::forward<Argument>(argument)...) {}
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

std::unique_ptr<LineFormat> make_json_format(JsonSchema schema) {
  switch (schema) {
    case JsonSchema::otel:
      return std::make_unique<Rendered<OtelJson>>();
    case JsonSchema::ecs:
      return std::make_unique<Rendered<EcsJson>>();
    case JsonSchema::sluice:
      break;
  }
  return std::make_unique<Rendered<JsonLines>>();
}

std::unique_ptr<LineFormat> make_logfmt_format() { return std::make_unique<Rendered<Logfmt>>(); }

std::unique_ptr<LineFormat> make_syslog_format(u8 facility) {
  return std::make_unique<Rendered<SyslogText>>(facility);
}

std::unique_ptr<LineFormat> make_journal_format(u8 facility) {
  return std::make_unique<Rendered<JournalText>>(facility);
}

}  // namespace sluice::sink
