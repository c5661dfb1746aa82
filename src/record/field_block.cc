#include "record/field_block.h"

#include <cstring>

namespace sluice {

bool FieldBlock::parse(ByteView untrusted, FieldBlock& out) {
  ByteReader in(untrusted);
  u32 fields = 0;
  while (in.left() > 0) {
    const u8 type = in.read<u8>();
    const u8 name_bytes = in.read<u8>();
    const u16 value_bytes = in.read<u16>();
    in.read_bytes(std::size_t{name_bytes} + value_bytes);
    if (!in.ok() || !is_arg_type(type) || ++fields > kFieldsMax) return false;
    if (!has_tail(ArgType(type)) && value_bytes != 8) return false;
  }
  if (!in.ok()) return false;
  out.bytes_ = untrusted;
  return true;
}

ContextField FieldBlock::Iterator::operator*() const {
  const auto type = ArgType(load<u8>(at_));
  const u8 name_bytes = load<u8>(at_ + 1);
  const u16 value_bytes = load<u16>(at_ + 2);
  const char* name = reinterpret_cast<const char*>(at_ + kFieldHeaderBytes);
  const char* value = name + name_bytes;
  ContextField field{{name, name_bytes}, {type, 0, {}}};
  if (has_tail(type)) {
    field.value.text = {value, value_bytes};
  } else {
    field.value.word = load<u64>(value);
  }
  return field;
}

FieldBlock::Iterator& FieldBlock::Iterator::operator++() {
  at_ += kFieldHeaderBytes + load<u8>(at_ + 1) + load<u16>(at_ + 2);
  return *this;
}

bool FieldBlockWriter::add(std::string_view name, const Value& value) {
  const bool tail = has_tail(value.type);
  const std::size_t value_bytes = tail ? value.text.size() : 8;
  if (name.size() > 0xff || value_bytes > 0xffff || fields_ == FieldBlock::kFieldsMax) return false;
  const std::size_t size = FieldBlock::kFieldHeaderBytes + name.size() + value_bytes;
  if (size > memory_.size() - used_) return false;
  std::byte* at = memory_.data() + used_;
  store(at, u8(value.type));
  store(at + 1, u8(name.size()));
  store(at + 2, u16(value_bytes));
  at += FieldBlock::kFieldHeaderBytes;
  if (!name.empty()) std::memcpy(at, name.data(), name.size());
  at += name.size();
  if (!tail) {
    store(at, value.word);
  } else if (value_bytes > 0) {
    std::memcpy(at, value.text.data(), value_bytes);
  }
  used_ += size;
  ++fields_;
  return true;
}

u32 append_context(std::span<std::byte> memory, u32 record_bytes, ByteView fields) {
  if (record_bytes < kRecordHeaderBytes || record_bytes % 8 != 0) return 0;
  const u64 size = u64{record_bytes} + round_up(fields.size(), 8) + 8;
  if (size > memory.size() || size / 8 > 0xffff) return 0;
  auto header = load<RecordHeader>(memory.data());
  if (header.size() != record_bytes || header.has(kHasContext)) return 0;
  std::byte* at = memory.data() + record_bytes;
  std::memset(at, 0, std::size_t(size) - record_bytes);
  if (!fields.empty()) std::memcpy(at, fields.data(), fields.size());
  store(memory.data() + size - 8, u32(fields.size()));
  store(memory.data() + size - 4, u32(size - record_bytes));
  header.size_in_words = u16(size / 8);
  header.origin |= kHasContext;
  store(memory.data(), header);
  return u32(size);
}

}  // namespace sluice
