// How long a step works before its commit, so that the two together stay within their time.
//
// What a commit takes, nobody knows before: it depends on the pages that were changed, on the disk
// and on who else is at work. So the first step is short, and each next one is sized by what the
// last one took in all: cut in proportion when that was too long, else half as long again.
//
// Threading: single-owner. Times: nanoseconds.
#ifndef SLUICE_SRC_STORE_STEP_SIZE_H_
#define SLUICE_SRC_STORE_STEP_SIZE_H_

#include <algorithm>

#include "base/bytes.h"

namespace sluice::storage {

class StepSize {
 public:
  static constexpr i64 kWholeNs = 20'000'000;  // a step with its commit, aimed at
  static constexpr i64 kWorkNs = 10'000'000;   // at most, before the commit
  static constexpr i64 kWorkMinNs = 100'000;   // as long as the smallest piece, about

  [[nodiscard]] i64 work_ns() const { return work_ns_; }
  // `work_ns` of it were before the commit. One that had little to do says nothing about more.
  void took(i64 work_ns, i64 whole_ns) {
    if (whole_ns > kWholeNs) {
      work_ns_ = i64(double(work_ns_) * double(kWholeNs) / double(whole_ns));
    } else if (work_ns >= work_ns_ && whole_ns < kWholeNs * 3 / 4) {
      work_ns_ += work_ns_ / 2;
    }
    work_ns_ = std::clamp(work_ns_, kWorkMinNs, kWorkNs);
  }

 private:
  i64 work_ns_ = 1'000'000;
};

// How many rows a piece of a step has, between two looks at the clock.
class PieceSize {
 public:
  static constexpr i64 kRowsMax = 32;

  [[nodiscard]] i64 rows() const { return rows_; }
  void took(i64 ns) {
    if (ns > StepSize::kWorkNs / 8) rows_ = std::max<i64>(rows_ / 2, 1);
    if (ns < StepSize::kWorkNs / 32) rows_ = std::min(rows_ * 2, kRowsMax);
  }

 private:
  i64 rows_ = 1;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_STEP_SIZE_H_
