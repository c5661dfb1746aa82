// So many bytes a second for all clients of one user together.
//
// A client takes a piece before it receives, which says from when on it may, and gives back what it
// did not need. So those who are over the rate wait in the order in which they came, each until a
// time that it knows, and what they send waits in their sockets. What was not used is saved for a
// second.
//
// Threading: thread-safe.
#ifndef SLUICE_SRC_APPEND_SERVER_BYTE_RATE_H_
#define SLUICE_SRC_APPEND_SERVER_BYTE_RATE_H_

#include <algorithm>
#include <mutex>

#include "base/bytes.h"
#include "base/durations.h"

namespace sluice::append_server {

class ByteRate {
 public:
  explicit ByteRate(u64 bytes_per_second)
      : bytes_per_second_(bytes_per_second),
        piece_(std::clamp(bytes_per_second / kPiecesASecond, kPieceLeast, kPieceMost)) {}

  [[nodiscard]] u64 piece() const { return piece_; }
  // From when on a piece may be received.
  [[nodiscard]] i64 take_piece(i64 now_ns) {
    const std::lock_guard lock(mutex_);
    const i64 from_ns = std::max(next_ns_, now_ns - kSavedNs);
    next_ns_ = from_ns + time_of(piece_);
    return from_ns;
  }
  void give_back(u64 bytes) {
    const std::lock_guard lock(mutex_);
    next_ns_ -= time_of(bytes);
  }
  // Nothing is owed: a new one would allow no more.
  [[nodiscard]] bool is_rested(i64 now_ns) const {
    const std::lock_guard lock(mutex_);
    return next_ns_ <= now_ns - kSavedNs;
  }

 private:
  static constexpr i64 kSavedNs = kNsPerSecond;
  static constexpr u64 kPiecesASecond = 16;
  static constexpr u64 kPieceLeast = 4 << 10;
  static constexpr u64 kPieceMost = 256 << 10;

  [[nodiscard]] i64 time_of(u64 bytes) const {
    return i64(bytes * u64(kNsPerSecond) / bytes_per_second_);
  }

  const u64 bytes_per_second_;
  const u64 piece_;
  mutable std::mutex mutex_;
  i64 next_ns_ = 0;  // what was taken is paid until then; under the mutex
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_BYTE_RATE_H_
