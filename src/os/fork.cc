#include "os/fork.h"

#include <unistd.h>

#include <atomic>

#include "base/bytes.h"
#include "os/process.h"

namespace sluice::os {
namespace {

// Descriptors above the table's size are simply kept by a child; a program with that many open
// files has its logging files open long before.
constexpr int kTracked = 4096;
// relaxed everywhere: an entry is written by the thread that opens or closes that descriptor, and
// read only by the single thread of a forked child, which copied all memory.
std::atomic<bool> tracked[kTracked];

constexpr i64 kWaitNs = 20'000'000;
constexpr i64 kNapNs = 20'000;

// seq_cst, both, wherever threads meet: of a change and a fork that begin at once, at least one
// sees the other (P20)
std::atomic<u32> changing{0};
std::atomic<u32> forking{0};
// This thread's share of them: a signal handler may fork within a change.
constinit thread_local u32 own_changes = 0;
constinit thread_local u32 own_forks = 0;

}  // namespace

DescriptorChange::DescriptorChange() {
  const i64 until = monotonic_ns() + kWaitNs;
  for (;;) {
    // seq_cst: with before_fork(), one of the two sees the other (P20)
    changing.fetch_add(1, std::memory_order_seq_cst);
    const u32 forks = forking.load(std::memory_order_seq_cst);  // (P20)
    if (forks == own_forks || monotonic_ns() > until) break;
    changing.fetch_sub(1, std::memory_order_seq_cst);  // (P20)
    sleep_ns(kNapNs);
  }
  ++own_changes;
}

DescriptorChange::~DescriptorChange() {
  --own_changes;
  // seq_cst: the fork that waits has the entry in the table (P20)
  changing.fetch_sub(1, std::memory_order_seq_cst);
}

void close_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(true, std::memory_order_relaxed);
}

void forget_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(false, std::memory_order_relaxed);
}

void before_fork() {
  ++own_forks;
  // seq_cst: with DescriptorChange, one of the two sees the other (P20)
  forking.fetch_add(1, std::memory_order_seq_cst);
  const i64 until = monotonic_ns() + kWaitNs;
  // seq_cst, as above, and the entries of the changes that have ended (P20)
  while (changing.load(std::memory_order_seq_cst) != own_changes && monotonic_ns() < until) {
    sleep_ns(kNapNs);
  }
}

void after_fork() {
  forking.fetch_sub(1, std::memory_order_seq_cst);  // lets changes go on (P20)
  --own_forks;
}

void close_inherited() {
  for (int fd = 0; fd < kTracked; ++fd) {
    if (tracked[fd].exchange(false, std::memory_order_relaxed)) ::close(fd);
  }
  // The other threads' changes and forks are not the child's. relaxed: the child has one thread
  --own_forks;
  changing.store(own_changes, std::memory_order_relaxed);
  forking.store(own_forks, std::memory_order_relaxed);
}

}  // namespace sluice::os
