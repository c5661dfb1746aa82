// An argument whose type is known at run time, for code that is not on the hot path.
#ifndef SLUICE_DETAIL_ANY_ARGUMENT_H_
#define SLUICE_DETAIL_ANY_ARGUMENT_H_

#include "sluice/detail/value.h"

namespace sluice {
inline namespace v1 {
namespace detail {

struct AnyArgument {
  ArgType type;
  std::string_view name;  // empty: none, or by the format
  std::uint64_t word;
  const char* tail;

  template <ArgType kType>
  AnyArgument(Scalar<kType> value) noexcept : type(kType), word(value.word), tail(nullptr) {}
  template <ArgType kType>
  AnyArgument(Tail<kType> value) noexcept : type(kType), word(value.size), tail(value.data) {}
  template <class V>
  AnyArgument(const Named<V>& value) noexcept : AnyArgument(value.value) {
    name = value.name;
  }
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_ANY_ARGUMENT_H_
