#include "runtime/commit_watches.h"

#include <chrono>

namespace sluice::runtime {
namespace {

thread_local bool t_in_hook = false;

}  // namespace

bool CommitWatches::in_hook() { return t_in_hook; }
void CommitWatches::enter_hook() { t_in_hook = true; }

void CommitWatches::add(const std::shared_ptr<Looks>& looks) {
  const std::lock_guard lock(mutex_);
  std::erase_if(all_, [](const auto& one) { return one.expired(); });
  all_.push_back(looks);
}

void CommitWatches::wait(i64 deadline_ns) {
  if (in_hook()) return;  // it would wait for itself
  std::vector<std::weak_ptr<Looks>> all;
  {
    const std::lock_guard lock(mutex_);
    all = all_;
  }
  const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns)};
  for (const auto& one : all) {
    const std::shared_ptr<Looks> looks = one.lock();
    if (!looks) continue;
    std::unique_lock lock(looks->mutex);
    const u64 mine = ++looks->asked;
    looks->changed.notify_all();
    looks->changed.wait_until(lock, until, [&] { return looks->ended || looks->done >= mine; });
  }
}

}  // namespace sluice::runtime
