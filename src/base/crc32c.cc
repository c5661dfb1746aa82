#include "base/crc32c.h"

#include <array>

namespace sluice {
namespace {

constexpr u32 kPolynomial = 0x82f63b78;  // 0x1edc6f41 bit-reversed

constexpr std::array<u32, 256> make_table() {
  std::array<u32, 256> table{};
  for (u32 i = 0; i < 256; ++i) {
    u32 crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();

u32 update_by_table(u32 crc, const u8* at, std::size_t size) {
  for (; size > 0; --size, ++at) crc = (crc >> 8) ^ kTable[(crc ^ *at) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) u32 update_by_instruction(u32 crc, const u8* at,
                                                            std::size_t size) {
  u64 wide = crc;
  for (; size >= 8; size -= 8, at += 8) wide = __builtin_ia32_crc32di(wide, load<u64>(at));
  crc = u32(wide);
  for (; size > 0; --size, ++at) crc = __builtin_ia32_crc32qi(crc, *at);
  return crc;
}
#endif

}  // namespace

u32 crc32c(const void* bytes, std::size_t size, u32 seed) {
  const auto* at = static_cast<const u8*>(bytes);
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~update_by_instruction(~seed, at, size);
#endif
  return ~update_by_table(~seed, at, size);
}

}  // namespace sluice
