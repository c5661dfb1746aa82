// Compile-time check of a format text against the number of arguments.
//
// Placeholders are fmt's: {} takes the next unnamed argument, {0} that one, {name} the argument of
// that name: a kv() of the same name, else the next positional argument, which it thereby names.
// What follows a colon is checked when the record is rendered. Types are not looked at.
#ifndef SLUICE_DETAIL_FORMAT_CHECK_H_
#define SLUICE_DETAIL_FORMAT_CHECK_H_

#include <cstddef>
#include <string_view>

#include "sluice/detail/value.h"

namespace sluice {
inline namespace v1 {
namespace detail {

inline constexpr int kFormatBroken = -1;

// Calls `each(name)` for every placeholder; name is empty for {}. False when braces do not match.
template <class F>
constexpr bool for_each_placeholder(std::string_view format, F&& each) {
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '}') {
      if (i + 1 >= format.size() || format[i + 1] != '}') return false;
      ++i;
    } else if (format[i] == '{') {
      if (i + 1 >= format.size()) return false;
      if (format[i + 1] == '{') {
        ++i;
        continue;
      }
      const std::size_t end = format.find('}', i);
      if (end == std::string_view::npos) return false;
      const std::string_view inside = format.substr(i + 1, end - i - 1);
      each(inside.substr(0, inside.find(':')));
      i = end;
    }
  }
  return true;
}

[[nodiscard]] constexpr bool is_index(std::string_view name) {
  return !name.empty() && name[0] >= '0' && name[0] <= '9';
}

struct FormatNeeds {
  bool ok = true;
  std::size_t automatic = 0;  // {}
  std::size_t indexed = 0;    // highest {n} + 1
  std::size_t named = 0;      // different {name}
};

consteval FormatNeeds needs_of(std::string_view format) {
  FormatNeeds needs;
  std::string_view seen[kSiteArgumentsMax]{};
  needs.ok = for_each_placeholder(format, [&](std::string_view name) {
    if (name.empty()) {
      ++needs.automatic;
    } else if (is_index(name)) {
      std::size_t index = 0;
      for (char c : name) index = index * 10 + std::size_t(c - '0');
      if (index + 1 > needs.indexed) needs.indexed = index + 1;
    } else {
      for (std::size_t i = 0; i < needs.named && i < kSiteArgumentsMax; ++i) {
        if (seen[i] == name) return;
      }
      if (needs.named < kSiteArgumentsMax) seen[needs.named] = name;
      ++needs.named;
    }
  });
  return needs;
}

template <class T>
[[nodiscard]] consteval bool is_field() {
  return kIsField<std::remove_cvref_t<T>>;
}

enum class FormatVerdict { kOk, kBraces, kTooFewArguments, kTooManyArguments, kMixed, kTooMany };

// Positional arguments are those that are no kv(). A named placeholder may be fed by a kv(), whose
// name is no compile-time constant here: then the number of positional ones may be lower.
template <class... A>
struct ArgList {
  static consteval FormatVerdict check(std::string_view format) {
    const FormatNeeds needs = needs_of(format);
    constexpr std::size_t kFields = (std::size_t{is_field<A>()} + ... + 0);
    constexpr std::size_t kPositional = sizeof...(A) - kFields;
    if (sizeof...(A) + 1 > kSiteArgumentsMax) return FormatVerdict::kTooMany;
    if (!needs.ok) return FormatVerdict::kBraces;
    if (needs.indexed && needs.automatic) return FormatVerdict::kMixed;
    const std::size_t unnamed = needs.indexed ? needs.indexed : needs.automatic;
    if (unnamed + needs.named > kPositional + kFields) return FormatVerdict::kTooFewArguments;
    if (unnamed > kPositional) return FormatVerdict::kTooFewArguments;
    if (unnamed + needs.named < kPositional) return FormatVerdict::kTooManyArguments;
    return FormatVerdict::kOk;
  }
};
template <class... A>
ArgList<A...> arg_list_of(const A&...);

}  // namespace detail
}  // namespace v1
}  // namespace sluice

// One message a mistake.
#define SLUICE_CHECK_FORMAT_(format, ...)                                                     \
  [[maybe_unused]] static constexpr auto sluice_verdict_ =                                    \
      decltype(::sluice::detail::arg_list_of(__VA_ARGS__))::check(format);                    \
  using SluiceVerdict_ = ::sluice::detail::FormatVerdict;                                     \
  static_assert(sluice_verdict_ != SluiceVerdict_::kBraces,                                   \
                "sluice: a { or } in the format has no partner; write {{ or }} for a brace"); \
  static_assert(sluice_verdict_ != SluiceVerdict_::kTooFewArguments,                          \
                "sluice: the format has more placeholders than the call has arguments");      \
  static_assert(sluice_verdict_ != SluiceVerdict_::kTooManyArguments,                         \
                "sluice: the call has more arguments than the format has placeholders; use "  \
                "kv(\"name\", value) for a field that is not part of the message");           \
  static_assert(sluice_verdict_ != SluiceVerdict_::kMixed,                                    \
                "sluice: {} and {0} cannot be mixed in one format");                          \
  static_assert(sluice_verdict_ != SluiceVerdict_::kTooMany,                                  \
                "sluice: a call takes at most 31 arguments")

#endif  // SLUICE_DETAIL_FORMAT_CHECK_H_
