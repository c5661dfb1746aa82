#include "record/trace_ids.h"

#include <charconv>

namespace sluice {
namespace {

bool is_hexadecimal(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text, std::size_t digits) {
  return is_hexadecimal(text, digits) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

TraceIds trace_ids(const FieldBlock& untrusted) {
  TraceIds ids;
  std::string_view flags;
  for (const ContextField& field : untrusted) {
    if (field.value.type != ArgType::kString) continue;
    if (field.name == "trace_id") ids.trace = field.value.text;
    if (field.name == "span_id") ids.span = field.value.text;
    if (field.name == "trace_flags") flags = field.value.text;
  }
  if (!is_id(ids.trace, 32) || !is_id(ids.span, 16)) return {};
  if (is_hexadecimal(flags, 2)) {
    (void)std::from_chars(flags.data(), flags.data() + flags.size(), ids.flags, 16);
  }
  return ids;
}

}  // namespace sluice
