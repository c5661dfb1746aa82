// Texts that are made in the caller, by code that may throw, log, or never come to an end.
//
// What it throws becomes the text. A type may log while it is formatted, also one of its own kind:
// where that goes on and on, the ninth of them is not formatted any more.
#ifndef SLUICE_DETAIL_CALLER_TEXT_H_
#define SLUICE_DETAIL_CALLER_TEXT_H_

#include <exception>
#include <string>

#include "sluice/detail/any_argument.h"
#include "sluice/detail/api.h"

namespace sluice {
inline namespace v1 {
namespace detail {

// Whether sluice/std.h, or sluice/fmt.h, makes values of these.
template <class T>
inline constexpr bool kStdValue = false;
template <class T>
inline constexpr bool kFmtValue = false;

template <class T>
concept Iterable = requires(const T& value) {
  value.begin();
  value.end();
};
// A type of the user's that says nothing else of itself.
template <class T>
concept OnlyFormatted =
    (std::is_class_v<T> || std::is_union_v<T> || std::is_enum_v<T>)&&!HasCustomValue<T> &&
    !Iterable<T> && !kStdValue<T> && !std::is_convertible_v<const T&, std::string_view>;

// The nested ones of this thread.
class Formatting {
 public:
  Formatting() noexcept : depth_(enter()) {}
  ~Formatting() { leave(); }
  Formatting(const Formatting&) = delete;
  Formatting& operator=(const Formatting&) = delete;
  [[nodiscard]] bool too_deep() const noexcept { return depth_ > kDepthMax; }

 private:
  static constexpr int kDepthMax = 8;
  SLUICE_API static int enter() noexcept;
  SLUICE_API static void leave() noexcept;
  const int depth_;
};

// What `write` appends to the string that it is given.
template <class F>
[[nodiscard]] std::string caller_text(F&& write) noexcept {
  const Formatting formatting;
  if (formatting.too_deep()) return "!(formats itself)";
  std::string text;
#if defined(__cpp_exceptions)
  try {
    write(text);
  } catch (const std::exception& thrown) {
    text = std::string("!(threw ") + thrown.what() + ")";
  } catch (...) {  // anything may be thrown by a type of the user's, and this is noexcept
    text = "!(threw)";
  }
#else
  write(text);
#endif
  return text;
}

// Appends the value as it stands in JSON fields.
SLUICE_API void append_json(std::string& to, const AnyArgument& value);

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_CALLER_TEXT_H_
