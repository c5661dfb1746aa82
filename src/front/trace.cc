#include "sluice/trace.h"

#include <cstdlib>
#include <cstring>

namespace sluice {
inline namespace v1 {
namespace {

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
bool is_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

}  // namespace

bool TraceContext::parse(std::string_view text) noexcept {
  if (text.size() < kTextBytes) return false;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32),
                         span = text.substr(36, 16), flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  if (!is_hex(version) || !is_hex(trace) || !is_hex(span) || !is_hex(flags)) return false;
  if (version == "ff" || is_zero(trace) || is_zero(span)) return false;
  // Later versions may have more behind another dash.
  if (text.size() > kTextBytes && (version == "00" || text[kTextBytes] != '-')) return false;
  std::memcpy(text_, text.data(), kTextBytes);
  std::memcpy(text_, "00", 2);
  return true;
}

bool TraceContext::parse_environment() noexcept {
  const char* const text = std::getenv("TRACEPARENT");
  return text != nullptr && parse(text);
}

}  // namespace v1
}  // namespace sluice
