#include "sluice/level.h"

namespace sluice {
inline namespace v1 {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

bool equals(std::string_view text, std::string_view name) {
  if (text.size() != name.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != name[i]) return false;
  }
  return true;
}

struct Name {
  std::string_view text;
  Level level;
};
constexpr Name kNames[] = {
    {"trace", Level::trace},    {"debug", Level::debug},     {"info", Level::info},
    {"notice", Level::notice},  {"warning", Level::warning}, {"warn", Level::warning},
    {"error", Level::error},    {"err", Level::error},       {"critical", Level::critical},
    {"fatal", Level::critical}, {"off", Level::off},
};

}  // namespace

bool parse_level(std::string_view text, Level& out) noexcept {
  for (const Name& name : kNames) {
    if (equals(text, name.text)) {
      out = name.level;
      return true;
    }
  }
  return false;
}

}  // namespace v1
}  // namespace sluice
