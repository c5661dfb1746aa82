// A step stays within its time, whatever a commit costs on this machine.
#include "store/step_size.h"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

using storage::PieceSize;
using storage::StepSize;

constexpr i64 kMs = 1'000'000;

// The longest of `steps` steps whose commits cost `dearer` times their work and `fixed_ns`.
i64 longest(StepSize& size, double dearer, i64 fixed_ns, int steps) {
  i64 worst = 0;
  for (int i = 0; i < steps; ++i) {
    const i64 whole = size.work_ns() + i64(double(size.work_ns()) * dearer) + fixed_ns;
    worst = std::max(worst, whole);
    size.took(size.work_ns(), whole);
  }
  return worst;
}

TEST(StepSize, NoStepIsTooLongHoweverDearCommitsAre) {
  for (const double dearer : {0.0, 0.1, 1.0, 4.0, 20.0, 40.0}) {
    StepSize size;
    EXPECT_LE(longest(size, dearer, 500'000, 100), 50 * kMs) << dearer;
    EXPECT_LE(longest(size, dearer, 500'000, 100), StepSize::kWholeNs * 5 / 4) << dearer;
    EXPECT_GE(longest(size, dearer, 500'000, 100), std::min(StepSize::kWorkNs, 10 * kMs)) << dearer;
  }
  // Control: a size that does not change would be too long.
  EXPECT_GT(StepSize::kWorkNs + StepSize::kWorkNs * 20, 50 * kMs);
}

TEST(StepSize, AMachineThatBecomesSlowerIsFoundByOneStep) {
  StepSize size;
  longest(size, 0.2, 0, 100);
  EXPECT_EQ(size.work_ns(), StepSize::kWorkNs);
  size.took(StepSize::kWorkNs, 80 * kMs);
  EXPECT_EQ(size.work_ns(), StepSize::kWorkNs / 4);
  EXPECT_LE(longest(size, 7, 0, 100), StepSize::kWholeNs * 5 / 4);
}

TEST(StepSize, ItIsNeverLessThanAPiece) {
  StepSize size;
  longest(size, 0, 100 * kMs, 100);  // somebody else is at work
  EXPECT_EQ(size.work_ns(), StepSize::kWorkMinNs);
  longest(size, 0, 0, 20);
  EXPECT_EQ(size.work_ns(), StepSize::kWorkNs);
}

TEST(StepSize, StepsThatHadLittleToDoMakeNoneLonger) {
  StepSize size;
  longest(size, 20, 0, 100);
  const i64 before = size.work_ns();
  for (int i = 0; i < 100; ++i) size.took(10'000, 20'000);
  EXPECT_EQ(size.work_ns(), before);
}

TEST(PieceSize, RowsThatTakeLongGoFewAtATime) {
  PieceSize size;
  EXPECT_EQ(size.rows(), 1) << "nobody knows yet how large they are";
  for (int i = 0; i < 10; ++i) size.took(size.rows() * 1000);
  EXPECT_EQ(size.rows(), PieceSize::kRowsMax);
  for (int i = 0; i < 10; ++i) size.took(size.rows() * kMs);
  EXPECT_EQ(size.rows(), 1);
}

}  // namespace
}  // namespace sluice::test
