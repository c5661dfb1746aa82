// One argument or context field, read but not yet rendered.
#ifndef SLUICE_SRC_RECORD_VALUE_H_
#define SLUICE_SRC_RECORD_VALUE_H_

#include <string_view>

#include "record/format.h"

namespace sluice {

// `text` points into the record and is set for types with a tail, `word` for all others.
struct Value {
  ArgType type = ArgType::kU64;
  u64 word = 0;
  std::string_view text;
};

[[nodiscard]] inline bool is_arg_type(u8 type) {
  return type >= u8(ArgType::kBool) && type <= u8(ArgType::kJson);
}

// Short lower-case name ("i64", "string"), as shown where a format does not fit its argument.
[[nodiscard]] constexpr std::string_view type_name(ArgType type) {
  switch (type) {
    case ArgType::kBool:
      return "bool";
    case ArgType::kChar:
      return "char";
    case ArgType::kI32:
      return "i32";
    case ArgType::kU32:
      return "u32";
    case ArgType::kI64:
      return "i64";
    case ArgType::kU64:
      return "u64";
    case ArgType::kF32:
      return "f32";
    case ArgType::kF64:
      return "f64";
    case ArgType::kPointer:
      return "pointer";
    case ArgType::kString:
      return "string";
    case ArgType::kBytes:
      return "bytes";
    case ArgType::kTimestamp:
      return "timestamp";
    case ArgType::kDuration:
      return "duration";
    case ArgType::kJson:
      return "json";
  }
  return "unknown";
}

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_VALUE_H_
