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
// What kStrideBytes of zeros make of a register, a table for each of its bytes: as a CRC is linear,
// the CRC of two pieces is that of the first behind which zeros come, and that of the second.
constexpr std::size_t kStrideBytes = 1024;
using StrideTables = std::array<std::array<u32, 256>, 4>;
constexpr StrideTables make_stride_tables() {
  StrideTables tables{};
  for (u32 byte = 0; byte < 4; ++byte) {
    for (u32 bit = 0; bit < 8; ++bit) {
      u32 crc = u32{1} << (8 * byte + bit);
      for (std::size_t i = 0; i < kStrideBytes; ++i) crc = (crc >> 8) ^ kTable[crc & 0xff];
      for (u32 value = 0; value < 256; ++value) {
        if (value >> bit & 1) tables[byte][value] ^= crc;
      }
    }
  }
  return tables;
}
constexpr StrideTables kStride = make_stride_tables();

u32 behind_stride(u64 crc) {
  return kStride[0][crc & 0xff] ^ kStride[1][crc >> 8 & 0xff] ^ kStride[2][crc >> 16 & 0xff] ^
         kStride[3][crc >> 24 & 0xff];
}

// Four strides at a time, where one waits for the instruction's result at every step.
__attribute__((target("sse4.2"))) u32 update_by_instruction(u32 crc, const u8* at,
                                                            std::size_t size) {
  for (; size >= 4 * kStrideBytes; size -= 4 * kStrideBytes, at += 4 * kStrideBytes) {
    u64 a = crc, b = 0, c = 0, d = 0;
    for (std::size_t i = 0; i < kStrideBytes; i += 8) {
      a = __builtin_ia32_crc32di(a, load<u64>(at + i));
      b = __builtin_ia32_crc32di(b, load<u64>(at + i + kStrideBytes));
      c = __builtin_ia32_crc32di(c, load<u64>(at + i + 2 * kStrideBytes));
      d = __builtin_ia32_crc32di(d, load<u64>(at + i + 3 * kStrideBytes));
    }
    crc = behind_stride(behind_stride(behind_stride(a) ^ b) ^ c) ^ u32(d);
  }
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

bool has_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2");
  return has;
}
#endif

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
