// Values of types of the standard library.
//
//   chrono::duration                 a duration, as sluice::Duration; what does not fit is cut
//   time_point of the system clock   a time, as sluice::Timestamp; of other clocks: the duration
//   filesystem::path                 its text
//   optional                         JSON: null or the value
//   pair, tuple, ranges, maps        JSON: [1,2]; a map with texts as keys is {"a":1}
//
// JSON is made in the caller and allocates: not for signal handlers. Elements may be of any type
// that can be logged, these too. A range ends with "..." after 16 KiB.
#ifndef SLUICE_STD_H_
#define SLUICE_STD_H_

#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "sluice/detail/caller_text.h"

namespace sluice {
inline namespace v1 {
namespace detail {

template <class Rep, class Period>
inline constexpr bool kStdValue<std::chrono::duration<Rep, Period>> = true;
template <class Clock, class Duration>
inline constexpr bool kStdValue<std::chrono::time_point<Clock, Duration>> = true;
template <class T>
inline constexpr bool kStdValue<std::optional<T>> = true;
template <class A, class B>
inline constexpr bool kStdValue<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool kStdValue<std::tuple<T...>> = true;

template <class Rep, class Period>
[[nodiscard]] constexpr std::int64_t whole_ns(std::chrono::duration<Rep, Period> value) noexcept {
  using Wide = std::chrono::duration<long double, std::nano>;
  const long double ns = std::chrono::duration_cast<Wide>(value).count();
  if (ns >= 0x1p63L) return std::numeric_limits<std::int64_t>::max();
  if (ns < -0x1p63L) return std::numeric_limits<std::int64_t>::min();
  if (ns != ns) return 0;
  if constexpr (std::is_floating_point_v<Rep>) {
    return static_cast<std::int64_t>(ns);
  } else {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(value).count();
  }
}

template <class Rep, class Period>
struct Holder<std::chrono::duration<Rep, Period>> {
  const std::chrono::duration<Rep, Period>& value;
  [[nodiscard]] constexpr auto encode() const noexcept {
    return value_of(Duration{whole_ns(value)});
  }
};

template <class Clock, class Since>
struct Holder<std::chrono::time_point<Clock, Since>> {
  const std::chrono::time_point<Clock, Since>& value;
  [[nodiscard]] constexpr auto encode() const noexcept {
    const std::int64_t ns = whole_ns(value.time_since_epoch());
    if constexpr (std::is_same_v<Clock, std::chrono::system_clock>) {
      return value_of(Timestamp{ns});
    } else {
      return value_of(Duration{ns});
    }
  }
};

template <>
struct Holder<std::filesystem::path> {
  static const std::string& as_text(const std::string& native, const std::filesystem::path&) {
    return native;
  }
  static std::string as_text(const std::wstring&, const std::filesystem::path& path) {
    const auto utf8 = path.u8string();
    return {utf8.begin(), utf8.end()};
  }
  static constexpr bool kBytes = std::is_same_v<std::filesystem::path::value_type, char>;

  std::conditional_t<kBytes, const std::string&, std::string> text;
  explicit Holder(const std::filesystem::path& path) : text(as_text(path.native(), path)) {}
  [[nodiscard]] auto encode() const noexcept { return value_of(text); }
};

template <class T>
void append_value(std::string& to, const T& value) {
  append_json(to, AnyArgument(Holder<T>{value}.encode()));
}

template <class F>
[[nodiscard]] std::string caller_json(F&& write) noexcept {
  std::string text = caller_text(write);
  if (!text.starts_with("!(")) return text;
  // No JSON begins so: it says why there is none.
  return caller_text([&](std::string& to) { append_json(to, value_of(text)); });
}

struct JsonHolder {
  std::string text;
  [[nodiscard]] auto encode() const noexcept { return value_of(Json{text}); }
};

template <class T>
struct Holder<std::optional<T>> : JsonHolder {
  explicit Holder(const std::optional<T>& from) noexcept
      : JsonHolder{caller_json([&](std::string& to) {
          if (from) return append_value(to, *from);
          to += "null";
        })} {}
};

template <class... T>
void append_array(std::string& to, const T&... value) {
  [[maybe_unused]] const char* before = "[";
  ((to += before, append_value(to, value), before = ","), ...);
  to += sizeof...(T) == 0 ? "[]" : "]";
}

template <class A, class B>
struct Holder<std::pair<A, B>> : JsonHolder {
  explicit Holder(const std::pair<A, B>& from) noexcept
      : JsonHolder{
            caller_json([&](std::string& to) { append_array(to, from.first, from.second); })} {}
};

template <class... T>
struct Holder<std::tuple<T...>> : JsonHolder {
  explicit Holder(const std::tuple<T...>& from) noexcept
      : JsonHolder{caller_json([&](std::string& to) {
          std::apply([&](const T&... value) { append_array(to, value...); }, from);
        })} {}
};

inline constexpr std::size_t kRangeBytesMax = 16 * 1024;

template <class T>
concept MapOfTexts = requires { typename T::mapped_type; } &&
                     std::is_convertible_v<const typename T::key_type&, std::string_view>;
template <class T>
concept Range =
    Iterable<T> && !HasCustomValue<T> && !std::is_convertible_v<const T&, std::string_view> &&
    !std::is_same_v<T, std::filesystem::path>;

template <class T>
void append_range(std::string& to, const T& range) {
  to += '[';
  const char* before = "";
  for (const auto& value : range) {
    to += before;
    before = ",";
    if (to.size() > kRangeBytesMax) {
      to += R"("...")";
      break;
    }
    append_value(to, value);
  }
  to += ']';
}

template <MapOfTexts T>
void append_range(std::string& to, const T& map) {
  to += '{';
  const char* before = "";
  for (const auto& [key, value] : map) {
    to += before;
    before = ",";
    if (to.size() > kRangeBytesMax) {
      to += R"("...":null)";
      break;
    }
    append_value(to, std::string_view(key));
    to += ':';
    append_value(to, value);
  }
  to += '}';
}

template <Range T>
struct Holder<T> : JsonHolder {
  explicit Holder(const T& from) noexcept
      : JsonHolder{caller_json([&](std::string& to) { append_range(to, from); })} {}
};

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_STD_H_
