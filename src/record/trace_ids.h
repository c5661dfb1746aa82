// Which span of a distributed trace a record belongs to: the fields of its context that
// sluice::TraceScope sets, for the schemas that have members of their own for them.
//
// Threading: values; views into the record.
// Format: https://www.w3.org/TR/trace-context/#traceparent-header
#ifndef SLUICE_SRC_RECORD_TRACE_IDS_H_
#define SLUICE_SRC_RECORD_TRACE_IDS_H_

#include <string_view>

#include "record/field_block.h"

namespace sluice {

struct TraceIds {
  std::string_view trace;  // 32 digits of lower-case hexadecimal, not all zero; empty: no trace
  std::string_view span;   // 16 such
  u32 flags = 0;           // 1: sampled
  [[nodiscard]] bool empty() const { return trace.empty(); }
};

// Of the innermost scope. What has another form is a field like any other, and no trace.
[[nodiscard]] TraceIds trace_ids(const FieldBlock& untrusted);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_TRACE_IDS_H_
