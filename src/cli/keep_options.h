// Bounds of what is kept, as users write them: ages and sizes.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_CLI_KEEP_OPTIONS_H_
#define SLUICE_SRC_CLI_KEEP_OPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::cli {

// `text` of --older-than; empty: it was not given. In nanoseconds.
void read_age(const std::string& text, i64& age_ns, std::vector<std::string>& mistakes);
// `text` of an option that is a number of bytes, or of others; what is less than `least` is refused
// with `mend`, which goes on behind the text.
void read_bound(const std::string& text, std::string_view option, u64 least, std::string_view mend,
                u64& to, std::vector<std::string>& mistakes);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_KEEP_OPTIONS_H_
