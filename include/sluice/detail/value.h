// How a C++ value becomes an argument: one 8-byte word, and for texts the bytes in the tail.
//
// A type of your own is logged by one function found by argument-dependent lookup, in its
// namespace:
//
//     auto sluice_value(const Price& p) { return p.ticks * 0.01; }      // any type known here
//     auto sluice_value(Color c) { return std::string_view(name_of(c)); }
//     std::string sluice_value(const Point& p) { return p.name + "!"; }
//
// It runs in the caller, must not throw, and what it returns is copied before the call returns.
// What it returns may be of another such type.
#ifndef SLUICE_DETAIL_VALUE_H_
#define SLUICE_DETAIL_VALUE_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "sluice/detail/site_format.h"

namespace sluice {
inline namespace v1 {

// The name of a field: a string literal.
struct FieldName {
  std::string_view text;
  consteval FieldName(const char* literal) : text(literal) {}
};

// A named value: SLUICE_INFO("paid", kv("user", id)). Holds a reference: use it in the call only.
template <class T>
struct Field {
  std::string_view name;
  const T& value;
};

template <class T>
[[nodiscard]] constexpr Field<T> kv(FieldName name, const T& value) noexcept {
  return {name.text, value};
}

// JSON text as a value; checked when it is read, not here.
struct Json {
  std::string_view text;
};
// Bytes that are not text.
struct Bytes {
  const void* data;
  std::size_t size;
};
struct Timestamp {
  std::int64_t unix_ns;
};
struct Duration {
  std::int64_t ns;
};

namespace detail {

template <ArgType kType>
struct Scalar {
  static constexpr ArgType type = kType;
  std::uint64_t word;
};
template <ArgType kType>
struct Tail {
  static constexpr ArgType type = kType;
  const char* data;
  std::size_t size;
};

template <class T>
concept HasCustomValue = requires(const T& value) { sluice_value(value); };

template <class T>
inline constexpr bool kAlwaysFalse = false;

template <class T>
constexpr auto scalar_of(T value) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return Scalar<ArgType::kBool>{value};
  } else if constexpr (std::is_same_v<T, char>) {
    return Scalar<ArgType::kChar>{static_cast<unsigned char>(value)};
  } else if constexpr (std::is_same_v<T, float>) {
    return Scalar<ArgType::kF32>{std::bit_cast<std::uint32_t>(value)};
  } else if constexpr (std::is_floating_point_v<T>) {
    return Scalar<ArgType::kF64>{std::bit_cast<std::uint64_t>(static_cast<double>(value))};
  } else if constexpr (std::is_signed_v<T>) {
    static_assert(sizeof(T) <= 8, "sluice: integers wider than 64 bits: log them as text");
    const auto word = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    return Scalar<(sizeof(T) <= 4 ? ArgType::kI32 : ArgType::kI64)>{word};
  } else {
    static_assert(sizeof(T) <= 8, "sluice: integers wider than 64 bits: log them as text");
    return Scalar<(sizeof(T) <= 4 ? ArgType::kU32 : ArgType::kU64)>{value};
  }
}

template <class T>
constexpr auto value_of(const T& value) noexcept {
  using D = std::decay_t<T>;
  if constexpr (std::is_same_v<D, Json>) {
    return Tail<ArgType::kJson>{value.text.data(), value.text.size()};
  } else if constexpr (std::is_same_v<D, Bytes>) {
    return Tail<ArgType::kBytes>{static_cast<const char*>(value.data), value.size};
  } else if constexpr (std::is_same_v<D, Timestamp>) {
    return Scalar<ArgType::kTimestamp>{static_cast<std::uint64_t>(value.unix_ns)};
  } else if constexpr (std::is_same_v<D, Duration>) {
    return Scalar<ArgType::kDuration>{static_cast<std::uint64_t>(value.ns)};
  } else if constexpr (std::is_arithmetic_v<D>) {
    return scalar_of<D>(value);
  } else if constexpr (std::is_enum_v<D>) {
    return scalar_of(static_cast<std::underlying_type_t<D>>(value));
  } else if constexpr (std::is_same_v<D, char*> || std::is_same_v<D, const char*>) {
    const char* text = value;
    if (!text) text = "(null)";
    return Tail<ArgType::kString>{text, std::char_traits<char>::length(text)};
  } else if constexpr (std::is_null_pointer_v<D>) {  // before string_view, which would take it
    return Scalar<ArgType::kPointer>{0};
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    const std::string_view text = value;
    return Tail<ArgType::kString>{text.data(), text.size()};
  } else if constexpr (std::is_pointer_v<D>) {
    return Scalar<ArgType::kPointer>{reinterpret_cast<std::uintptr_t>(value)};
  } else {
    static_assert(kAlwaysFalse<T>,
                  "sluice: this type cannot be logged. Give its namespace a function "
                  "`auto sluice_value(const T&)` that returns a number or a text.");
  }
}
// A value with the name that a kv() gave it. The plain path never looks at the name.
template <class V>
struct Named {
  static constexpr ArgType type = V::type;
  V value;
  std::string_view name;
};

template <class V>
[[nodiscard]] constexpr std::string_view name_of_value(const V&) noexcept {
  return {};
}
template <class V>
[[nodiscard]] constexpr std::string_view name_of_value(const Named<V>& value) noexcept {
  return value.name;
}

// A custom text lives in what sluice_value() returned, which must outlast the copy: such values
// are kept by value here. Everything else is encoded straight away.
template <class T>
struct Holder {
  const T& value;
  [[nodiscard]] constexpr auto encode() const noexcept { return value_of(value); }
};
template <class T>
  requires HasCustomValue<T>
struct Holder<T> {
  using Value = decltype(sluice_value(std::declval<const T&>()));
  Value value;
  Holder<std::remove_cvref_t<Value>> inner;  // of `value`, which may be of such a type itself
  constexpr explicit Holder(const T& from) : value(sluice_value(from)), inner{value} {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  [[nodiscard]] constexpr auto encode() const noexcept { return inner.encode(); }
};
template <class T>
struct Holder<Field<T>> {
  Holder<T> inner;
  std::string_view name;
  constexpr explicit Holder(const Field<T>& field) : inner{field.value}, name(field.name) {}
  [[nodiscard]] constexpr auto encode() const noexcept {
    return Named<decltype(inner.encode())>{inner.encode(), name};
  }
};

template <class T>
inline constexpr bool kIsField = false;
template <class T>
inline constexpr bool kIsField<Field<T>> = true;

}  // namespace detail
}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_DETAIL_VALUE_H_
