// An object in parts: which bytes a part has, several of them at once, and how far all are.
#ifndef SLUICE_SRC_UPLOAD_PARTS_H_
#define SLUICE_SRC_UPLOAD_PARTS_H_

#include <algorithm>
#include <functional>
#include <mutex>

#include "upload/bucket.h"

namespace sluice::upload {

struct Range {
  u64 at = 0;
  u64 size = 0;
};

// The bytes of an object cut into equal parts, the last one perhaps smaller.
class Cut {
 public:
  Cut(u64 size, u64 part_bytes) : size_(size), part_bytes_(part_bytes) {}
  [[nodiscard]] u32 count() const { return u32((size_ + part_bytes_ - 1) / part_bytes_); }
  [[nodiscard]] Range range(u32 index) const {
    const u64 at = u64{index} * part_bytes_;
    return {at, std::min(part_bytes_, size_ - at)};
  }

 private:
  u64 size_;
  u64 part_bytes_;
};

// The smallest multiple of `part_bytes` by which `size` has no more than `count_max` parts.
[[nodiscard]] u64 part_bytes_for(u64 size, u64 part_bytes, u64 count_max);

// Adds up what has gone out, for Progress::at and Attempt::sent. Thread-safe.
class Meter {
 public:
  explicit Meter(const Progress& progress) : progress_(progress) {}

  void there(u64 bytes) { move(0, bytes); }  // was in the store already
  [[nodiscard]] u64 sent() const;

  // One request's body; what of it did not arrive is taken back at the end.
  class Body {
   public:
    explicit Body(Meter& meter) : meter_(meter) {}
    ~Body() { meter_.move(reached_, arrived_ ? reached_ : 0); }
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;
    void at(u64 bytes);
    void arrived(u64 bytes) {
      at(bytes);
      arrived_ = true;
    }

   private:
    Meter& meter_;
    u64 reached_ = 0;
    bool arrived_ = false;
  };

 private:
  void move(u64 less, u64 more);

  const Progress& progress_;
  mutable std::mutex mutex_;
  u64 there_ = 0;
  u64 sent_ = 0;
};

// Calls one(index) for 0 .. count-1 on up to `at_once` threads. After the first that is not stored
// no more are begun, those in flight end, and it is the answer; its wait_ms is the longest of all.
[[nodiscard]] Attempt for_each_part(u32 count, u32 at_once, const std::stop_token& stop,
                                    const std::function<Attempt(u32 index)>& one);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_PARTS_H_
