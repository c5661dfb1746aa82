#include "cli/keep_options.h"

#include "cli/command.h"
#include "runtime/config.h"

namespace sluice::cli {

void read_age(const std::string& text, i64& age_ns, std::vector<std::string>& mistakes) {
  if (text.empty()) return;
  u64 seconds = 0;
  if (!runtime::parse_age(text, seconds) || seconds == 0) {
    mistakes.push_back("--older-than: " + in_quotes(text) +
                       " is no age; write a number and its unit, such as 90s, 12h, 7d or 4w");
  }
  age_ns = i64(seconds) * 1'000'000'000;
}

void read_bound(const std::string& text, std::string_view option, u64 least, std::string_view mend,
                u64& to, std::vector<std::string>& mistakes) {
  if (text.empty()) return;
  if (!runtime::parse_bytes(text, to) || to < least || to > u64(INT64_MAX)) {
    mistakes.push_back(std::string(option) + ": " + in_quotes(text) + std::string(mend));
  }
}

}  // namespace sluice::cli
