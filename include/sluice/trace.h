// W3C trace context: which distributed trace a thread works for.
//
//     sluice::TraceContext trace;
//     if (trace.parse(request.header("traceparent"))) {
//       const sluice::TraceScope scope(trace);
//       SLUICE_INFO("handled");          // with trace_id, span_id and trace_flags in its context
//     }
//
// https://www.w3.org/TR/trace-context/, names of the fields as OpenTelemetry's.
#ifndef SLUICE_TRACE_H_
#define SLUICE_TRACE_H_

#include "sluice/log.h"

namespace sluice {
inline namespace v1 {

// A value; empty until parse() has found one. Thread-compatible.
class SLUICE_API TraceContext {
 public:
  static constexpr std::size_t kTextBytes = 55;

  // Takes "00-<trace id>-<parent id>-<flags>", of later versions what is defined here. False: it is
  // none, and this stays as it is. Allocates nothing.
  bool parse(std::string_view traceparent) noexcept;
  // parse() of the variable TRACEPARENT, as whoever started the program has set it.
  bool parse_environment() noexcept;

  [[nodiscard]] bool empty() const noexcept { return text_[0] == 0; }
  // As it is sent on; of version 00. These three are views into this object, and are empty
  // together.
  [[nodiscard]] std::string_view traceparent() const noexcept { return part(0, kTextBytes); }
  [[nodiscard]] std::string_view trace_id() const noexcept { return part(3, 32); }
  [[nodiscard]] std::string_view span_id() const noexcept { return part(36, 16); }
  [[nodiscard]] std::string_view trace_flags() const noexcept { return part(53, 2); }

 private:
  [[nodiscard]] std::string_view part(std::size_t at, std::size_t bytes) const noexcept {
    return empty() ? std::string_view{} : std::string_view(text_ + at, bytes);
  }
  char text_[kTextBytes + 1] = {};
};

// The fields trace_id, span_id and trace_flags on every record of this thread while the object
// lives; see Context. `trace` must not be empty.
class TraceScope {
 public:
  explicit TraceScope(const TraceContext& trace) noexcept
      : context_(kv("trace_id", trace.trace_id()), kv("span_id", trace.span_id()),
                 kv("trace_flags", trace.trace_flags())) {}

 private:
  Context context_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_TRACE_H_
