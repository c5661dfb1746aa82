#include "record/format_spec.h"

#include <fmt/args.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <exception>

#include "record/value_text.h"

namespace sluice {
namespace {

using Store = fmt::dynamic_format_arg_store<fmt::format_context>;
using Buffer = fmt::memory_buffer;
using Nanoseconds = std::chrono::nanoseconds;
using WallTime = std::chrono::time_point<std::chrono::system_clock, Nanoseconds>;

// Calls `use` with the value as fmt should see it. `text` holds what has to be made for that, and
// must live as long as fmt looks at it.
template <class Use>
void with_native(const Value& value, bool chrono, std::string& text, Use&& use) {
  switch (value.type) {
    case ArgType::kBool:
      return use(value.word != 0);
    case ArgType::kChar:
      return use(char(value.word));
    case ArgType::kI32:
    case ArgType::kI64:
      return use(i64(value.word));
    case ArgType::kU32:
    case ArgType::kU64:
      return use(value.word);
    case ArgType::kF32:
      return use(std::bit_cast<float>(u32(value.word)));
    case ArgType::kF64:
      return use(std::bit_cast<double>(value.word));
    case ArgType::kPointer:
      return use(reinterpret_cast<const void*>(std::uintptr_t(value.word)));
    case ArgType::kString:
    case ArgType::kJson:
      return use(value.text);
    case ArgType::kTimestamp:
      if (chrono) return use(WallTime(Nanoseconds(i64(value.word))));
      break;
    case ArgType::kDuration:
      if (chrono) return use(Nanoseconds(i64(value.word)));
      break;
    case ArgType::kBytes:
      break;
  }
  TextBuffer out;
  char* const begin = out.begin_record();
  (void)out.end_record(put_value(TextForm::kText, out, begin, value));
  text = out.text();
  use(std::string_view(text));
}

// Anything that fmt objects to ends here: a type that the specification does not fit, a time that
// the calendar does not have.
bool format_into(Buffer& to, const FormatSpec& spec, const Value* values) {
  const bool chrono = spec.text.find('%') != std::string::npos;
  std::string made;
  try {
    if (spec.arguments.size() == 1) {
      with_native(values[0], chrono, made, [&](const auto& native) {
        fmt::vformat_to(fmt::appender(to), spec.text, fmt::make_format_args(native));
      });
      return true;
    }
    Store store;
    with_native(values[0], chrono, made, [&](const auto& native) { store.push_back(native); });
    for (std::size_t i = 1; i < spec.arguments.size(); ++i) store.push_back(int(values[i].word));
    fmt::vformat_to(fmt::appender(to), spec.text, store);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

bool is_integer(ArgType type) {
  return type == ArgType::kI32 || type == ArgType::kU32 || type == ArgType::kI64 ||
         type == ArgType::kU64;
}

bool numbers_are_small(std::string_view text) {
  u32 number = 0;
  for (char c : text) {
    if (c < '0' || c > '9') {
      number = 0;
      continue;
    }
    number = number * 10 + u32(c - '0');
    if (number > kSpecNumberMax) return false;
  }
  return true;
}

}  // namespace

bool FormatSpec::fits(const Site& site) const {
  if (!numbers_are_small(text) || arguments.empty() || arguments.size() > 3) return false;
  Value values[3];
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    values[i].type = site.arguments[arguments[i]].type;
    values[i].word = 1;
    if (i > 0 && !is_integer(values[i].type)) return false;
  }
  Buffer trial;
  return format_into(trial, *this, values);
}

char* FormatSpec::put(TextForm form, TextBuffer& out, char* at, const RecordView& record) const {
  Value values[3];
  bool good = true;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    values[i] = record.value(arguments[i]);
    if (i > 0 && values[i].word > kSpecNumberMax) good = false;
  }
  Buffer result;
  if (!good || !format_into(result, *this, values)) {
    return put_misfit(form, out, at, source, values[0]);
  }
  return put_escaped(form, out, at, {result.data(), result.size()});
}

char* put_misfit(TextForm form, TextBuffer& out, char* at, std::string_view source,
                 const Value& value) {
  at = put_raw(out, at, source);
  at = put_raw(out, at, "!(");
  at = put_raw(out, at, type_name(value.type));
  at = put_raw(out, at, " ");
  at = put_value(form, out, at, value);
  return put_raw(out, at, ")");
}

}  // namespace sluice
