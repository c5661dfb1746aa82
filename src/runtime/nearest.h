// Which of some names a misspelt one was meant to be.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_RUNTIME_NEAREST_H_
#define SLUICE_SRC_RUNTIME_NEAREST_H_

#include <span>
#include <string_view>

namespace sluice::runtime {

// The one of `names` that takes the fewest letters put in, left out or replaced; `names` is not
// empty.
[[nodiscard]] std::string_view nearest(std::string_view name,
                                       std::span<const std::string_view> names);

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_NEAREST_H_
