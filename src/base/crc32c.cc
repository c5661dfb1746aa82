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

__attribute__((target("sse4.2"))) void four_by_instruction(const u8* at, std::size_t size,
                                                           u32 (&out)[4]) {
  u64 a = ~u32{0}, b = a, c = a, d = a;
  for (const u8* const end = at + size; at < end; at += 8) {
    a = __builtin_ia32_crc32di(a, load<u64>(at));
    b = __builtin_ia32_crc32di(b, load<u64>(at + size));
    c = __builtin_ia32_crc32di(c, load<u64>(at + 2 * size));
    d = __builtin_ia32_crc32di(d, load<u64>(at + 3 * size));
  }
  out[0] = ~u32(a);
  out[1] = ~u32(b);
  out[2] = ~u32(c);
  out[3] = ~u32(d);
}
#endif

bool has_instruction() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("sse4.2");
  return has;
#else
  return false;
#endif
}

}  // namespace

u32 crc32c(const void* bytes, std::size_t size, u32 seed) {
  const auto* at = static_cast<const u8*>(bytes);
#if defined(__x86_64__)
  if (has_instruction()) return ~update_by_instruction(~seed, at, size);
#endif
  return ~update_by_table(~seed, at, size);
}

void crc32c_of_four(const void* bytes, std::size_t size, u32 (&out)[4]) {
  const auto* const at = static_cast<const u8*>(bytes);
#if defined(__x86_64__)
  if (has_instruction()) return four_by_instruction(at, size, out);
#endif
  for (std::size_t i = 0; i < 4; ++i) out[i] = ~update_by_table(~u32{0}, at + i * size, size);
}

}  // namespace sluice
