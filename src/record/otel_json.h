// One LogsData of OpenTelemetry as JSON (OTLP/JSON) per record and line, as the collector's
// otlpjsonfile receiver reads them.
//
//   {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":
//   "game"}},...]},"scopeLogs":[{"scope":{"name":"net"},"logRecords":[{"timeUnixNano":"17...",
//   "severityNumber":9,"severityText":"info","eventName":"login","body":{"stringValue":"..."},
//   "attributes":[{"key":"user","value":{"intValue":"7"}},...]}]}]}]}
//
// https://opentelemetry.io/docs/specs/otel/logs/data-model and
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. The logger is the scope; the
// run is the resource; traceId, spanId and flags are those of the innermost TraceScope
// (record/trace_ids.h). Attributes: fields under their own names; context fields under "context.",
// and what only Sluice has under "sluice."; code.file.path, code.line.number, code.function.name,
// thread.id and thread.name as the semantic conventions have them. 64-bit integers are strings, as
// protobuf's JSON has them; what does not fit i64 is a stringValue. Bytes are base64. JSON becomes
// kvlistValue and arrayValue.
//
// Threading: single-owner (it caches per site). Failure: append() says that the buffer must be
// emptied first. Limits: JSON nests at most kJsonDepthMax deep (record/json_text.h).
#ifndef SLUICE_SRC_RECORD_OTEL_JSON_H_
#define SLUICE_SRC_RECORD_OTEL_JSON_H_

#include <string>

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"

namespace sluice {

class OtelJson {
 public:
  // Appends one line. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

  // To be called after Dictionary::clear().
  void forget_sites() { lines_.clear(); }

 private:
  struct Line {
    explicit Line(const Site& site);
    MessagePlan message;
    FieldPlan fields;
    std::string severity;  // "severityNumber":9,"severityText":"info"
    std::string code;      // attributes of the place
  };

  SiteCache<Line> lines_;
  std::string run_;  // of resource_
  std::string resource_;
};

// The value as an AnyValue: {"intValue":"7"}.
[[nodiscard]] char* put_any_value(TextBuffer& out, char* at, const Value& value);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_OTEL_JSON_H_
