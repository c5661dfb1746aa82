// Fixed-width names, unaligned little-endian access, and a reader that cannot leave its buffer.
#ifndef SLUICE_SRC_BASE_BYTES_H_
#define SLUICE_SRC_BASE_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i64 = std::int64_t;

static_assert(std::endian::native == std::endian::little,
              "the formats are little-endian and read in place");

using ByteView = std::span<const std::byte>;

template <class T>
[[nodiscard]] inline T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
inline void store(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

[[nodiscard]] constexpr u64 round_up(u64 value, u64 step) {
  return (value + step - 1) / step * step;
}

[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Reads fields one after the other from untrusted bytes. Past the end every read gives zero or an
// empty view and ok() becomes false for good, so a caller may read a whole structure and ask once.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  template <class T>
  T read() {
    if (rest_.size() < sizeof(T)) {
      fail();
      return T{};
    }
    const T value = load<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  ByteView read_bytes(std::size_t size) {
    if (rest_.size() < size) {
      fail();
      return {};
    }
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::string_view read_text(std::size_t size) { return as_text(read_bytes(size)); }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  ByteView rest_;
  bool ok_ = true;
};

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_BYTES_H_
