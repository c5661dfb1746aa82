#include "os/fork.h"

#include <unistd.h>

#include <atomic>

namespace sluice::os {
namespace {

// Descriptors above the table's size are simply kept by a child; a program with that many open
// files has its logging files open long before.
constexpr int kTracked = 4096;
// relaxed everywhere: an entry is written by the thread that opens or closes that descriptor, and
// read only by the single thread of a forked child, which copied all memory.
std::atomic<bool> tracked[kTracked];

}  // namespace

void close_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(true, std::memory_order_relaxed);
}

void forget_in_child(int fd) {
  if (fd >= 0 && fd < kTracked) tracked[fd].store(false, std::memory_order_relaxed);
}

void close_inherited() {
  for (int fd = 0; fd < kTracked; ++fd) {
    if (tracked[fd].exchange(false, std::memory_order_relaxed)) ::close(fd);
  }
}

}  // namespace sluice::os
