// Named values that describe themselves: the scoped context of a record.
//
//   repeated { u8 ArgType, u8 name bytes, u16 value bytes, name, value }
//
// The value is the argument's 8-byte word, or for types with a tail the bytes themselves.
//
// Threading: values. A FieldBlock points into the bytes it was parsed from. No allocation.
// Failure: parse() refuses bytes that are not exactly whole fields, and more than kFieldsMax of
// them (renderers look for repeated names, which is quadratic).
#ifndef SLUICE_SRC_RECORD_FIELD_BLOCK_H_
#define SLUICE_SRC_RECORD_FIELD_BLOCK_H_

#include <span>
#include <string_view>

#include "base/bytes.h"
#include "record/value.h"

namespace sluice {

struct ContextField {
  std::string_view name;
  Value value;
};

class FieldBlock {
 public:
  static constexpr u32 kFieldsMax = 64;
  static constexpr u32 kFieldHeaderBytes = 4;

  [[nodiscard]] static bool parse(ByteView untrusted, FieldBlock& out);

  class Iterator {
   public:
    explicit Iterator(const std::byte* at) : at_(at) {}
    [[nodiscard]] ContextField operator*() const;
    Iterator& operator++();
    [[nodiscard]] bool operator==(const Iterator&) const = default;

   private:
    const std::byte* at_;
  };
  [[nodiscard]] Iterator begin() const { return Iterator(bytes_.data()); }
  [[nodiscard]] Iterator end() const { return Iterator(bytes_.data() + bytes_.size()); }

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  ByteView bytes_;
};

// Writes fields into memory of the caller's, which is never left in a half-written state: a field
// that does not fit is refused and changes nothing.
class FieldBlockWriter {
 public:
  explicit FieldBlockWriter(std::span<std::byte> memory) : memory_(memory) {}

  // False when the field does not fit, its name is longer than 255 bytes, its value longer than
  // 65,535, or the block has kFieldsMax fields.
  [[nodiscard]] bool add(std::string_view name, const Value& value);
  [[nodiscard]] bool add_text(std::string_view name, std::string_view text) {
    return add(name, {ArgType::kString, 0, text});
  }

  [[nodiscard]] ByteView bytes() const { return memory_.first(used_); }
  [[nodiscard]] u32 fields() const { return fields_; }
  // Takes fields away from the end: `mark` is an earlier bytes().size(), `fields` the fields()
  // then.
  void cut(std::size_t mark, u32 fields) {
    used_ = mark;
    fields_ = fields;
  }

 private:
  std::span<std::byte> memory_;
  std::size_t used_ = 0;
  u32 fields_ = 0;
};

// Bytes that a context block with these fields adds to a record.
[[nodiscard]] constexpr u32 context_block_bytes(u32 field_bytes) {
  return u32(round_up(field_bytes, 8)) + 8;
}

// Appends `fields` as a context block to the `record_bytes` long record at the start of `memory`
// and returns the new size; 0, with the record untouched, when it does not fit in `memory` or in
// the size word, or when the record has a context block already.
[[nodiscard]] u32 append_context(std::span<std::byte> memory, u32 record_bytes, ByteView fields);

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_FIELD_BLOCK_H_
