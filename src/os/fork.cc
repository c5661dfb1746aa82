#include "os/fork.h"

#include <unistd.h>

#include <atomic>

#include "os/fork_gate.h"
#include "os/process.h"

namespace sluice::os {
namespace {

// Descriptors above the table's size are simply kept by a child; a program with that many open
// files has its logging files open long before.
constexpr int kTracked = 4096;
// relaxed everywhere: an entry is written by the thread that opens or closes that descriptor, and
// read only by the single thread of a forked child, which copied all memory.
std::atomic<bool> tracked[kTracked];

constexpr i64 kWaitNs[kForkSections] = {100'000'000, 250'000'000};
constexpr i64 kNapNs = 20'000;

// Of a scope and a fork that begin at once, at least one sees the other (P20).
using Gate = ForkGate<detail::RealSync>;
std::atomic<u32> inside[kForkSections];
std::atomic<u32> forking{0};
// This thread's share of them: a signal handler may fork within a scope.
constinit thread_local u32 own_inside[kForkSections] = {};
constinit thread_local u32 own_forks = 0;

// relaxed: written by the one thread of a forked child
std::atomic<u32> generation{0};
std::atomic<bool> cut_off[kForkSections];

}  // namespace

NoForkWithin::NoForkWithin(ForkSection section) : section_(section) {
  std::atomic<u32>& count = inside[u32(section)];
  u32& own = own_inside[u32(section)];
  const i64 until = monotonic_ns() + kWaitNs[u32(section)];
  for (;;) {
    const u32 forks = Gate::enter(count, forking);
    // Within another scope of this thread the fork waits for that one anyway.
    if (forks == own_forks || own != 0 || monotonic_ns() > until) break;
    Gate::leave(count);
    sleep_ns(kNapNs);
  }
  ++own;
}

NoForkWithin::~NoForkWithin() {
  --own_inside[u32(section_)];
  Gate::leave(inside[u32(section_)]);
}

u32 fork_generation() { return generation.load(std::memory_order_relaxed); }

bool forked_within(ForkSection section) {
  return cut_off[u32(section)].load(std::memory_order_relaxed);
}

void close_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(true, std::memory_order_relaxed);
}

void forget_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(false, std::memory_order_relaxed);
}

void before_fork() {
  ++own_forks;
  Gate::begin(forking);
  const i64 from = monotonic_ns();
  for (u32 i = 0; i < kForkSections; ++i) {
    while (Gate::how_many_inside(inside[i]) != own_inside[i] &&
           monotonic_ns() - from < kWaitNs[i]) {
      sleep_ns(kNapNs);
    }
  }
}

void after_fork() {
  Gate::end(forking);
  --own_forks;
}

void close_marked() {
  for (int fd = 0; fd < kTracked; ++fd) {
    if (tracked[fd].exchange(false, std::memory_order_relaxed)) ::close(fd);
  }
}

void close_inherited() {
  close_marked();
  // The other threads' scopes and forks are not the child's. relaxed: the child has one thread
  --own_forks;
  for (u32 i = 0; i < kForkSections; ++i) {
    cut_off[i].store(inside[i].load(std::memory_order_relaxed) != 0, std::memory_order_relaxed);
    inside[i].store(own_inside[i], std::memory_order_relaxed);
  }
  forking.store(own_forks, std::memory_order_relaxed);
  generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::os
