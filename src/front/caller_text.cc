#include "sluice/detail/caller_text.h"

#include "record/value_text.h"

namespace sluice {
inline namespace v1 {
namespace detail {
namespace {

constinit thread_local int t_depth = 0;

}  // namespace

int Formatting::enter() noexcept { return ++t_depth; }
void Formatting::leave() noexcept { --t_depth; }

void append_json(std::string& to, const AnyArgument& value) {
  char memory[512];  // most values need no more
  TextBuffer out(memory);
  const std::string_view tail =
      value.tail ? std::string_view(value.tail, value.word) : std::string_view{};
  (void)out.end_record(put_json_value(out, out.begin_record(), {value.type, value.word, tail}));
  to += out.text();
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice
