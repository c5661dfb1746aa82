#include "upload/parts.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "os/process.h"
#include "upload/answers.h"

namespace sluice::upload {

u64 part_bytes_for(u64 size, u64 part_bytes, u64 count_max) {
  const u64 least = (size + count_max - 1) / count_max;
  return std::max(part_bytes, round_up(least, part_bytes));
}

void Meter::move(u64 less, u64 more) {
  const std::lock_guard lock(mutex_);
  there_ = there_ - less + more;
  if (progress_.at) progress_.at(there_);
}

u64 Meter::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}

void Meter::Body::at(u64 bytes) {
  if (bytes <= reached_) return;
  {
    const std::lock_guard lock(meter_.mutex_);
    meter_.sent_ += bytes - reached_;
  }
  meter_.move(reached_, bytes);
  reached_ = bytes;
}

Attempt for_each_part(u32 count, u32 at_once, const std::stop_token& stop,
                      const std::function<Attempt(u32)>& one) {
  std::mutex mutex;
  u32 next = 0;
  Attempt result = stored();
  const auto work = [&] {
    while (true) {
      u32 index = 0;
      {
        const std::lock_guard lock(mutex);
        if (stop.stop_requested() && next < count && result.outcome == Outcome::kStored) {
          result = attempt(Outcome::kStopped, "stopped");
        }
        if (next >= count || result.outcome != Outcome::kStored) return;
        index = next++;
      }
      const Attempt done = one(index);
      const std::lock_guard lock(mutex);
      const u64 wait_ms = std::max(result.wait_ms, done.wait_ms);
      if (done.outcome != Outcome::kStored && result.outcome == Outcome::kStored) result = done;
      result.wait_ms = wait_ms;
    }
  };
  const u32 threads = std::min(count, std::max(at_once, 1U));
  std::vector<std::jthread> others;
  for (u32 i = 1; i < threads; ++i) {
    others.emplace_back([&work] {
      os::block_signals();
      os::set_thread_name("sluice-upload");
      work();
    });
  }
  work();
  others.clear();  // joins
  return result;
}

}  // namespace sluice::upload
