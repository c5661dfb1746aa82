#include "front/call_cost.h"

#include <algorithm>
#include <cstdlib>

#include "front/front.h"
#include "sluice/histogram.h"

namespace sluice::front {
namespace {

constexpr u64 kCallsBetween = 1024;

constinit Timer g_durations{"sluice.call.duration"};

}  // namespace

constinit thread_local CallCost t_call_cost;

void CallCost::look(const detail::ThreadBlock& block) {
  due_ = due_limit_ != 0 && block.ring.limit == due_limit_;
  due_limit_ = 0;
}

void CallCost::begin(detail::ThreadBlock& block, u64 position, u64 bytes) {
  // relaxed: set by start() beside calls that go on
  if (!g_front.options.measure_calls.load(std::memory_order_relaxed)) return;
  if (block.ring.limit == position) return;  // every call comes here anyway
  const u64 ahead = bytes * kCallsBetween;
  const i64 left = i64(next_ - position);
  if (due_ || next_ == 0 || u64(std::abs(left)) > 64 * ahead) {
    next_ = position + ahead;  // far behind or far ahead: of another ring
  } else if (left <= i64(bytes)) {
    next_ = position + bytes;  // a call that had to do more has come where one was due
  }
  if (next_ < block.ring.limit) block.ring.limit = due_limit_ = next_;
  if (due_) began_ = ticks();
}

void CallCost::end() {
  if (began_ != 0) took_ = std::max<u64>(ticks() - began_, 1);
  began_ = 0;
}

void CallCost::count() {
  if (took_ == 0) return;
  const u64 took = took_;
  took_ = 0;
  g_durations.observe_ticks(took);
}

}  // namespace sluice::front
