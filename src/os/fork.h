// What a fork must not fall into, and descriptors that a forked child must not keep.
//
// The child closes them in its atfork handler: an inherited descriptor would hold a deleted region
// in memory and could write into the parent's files. A fixed table of atomics; no lock, no
// allocation, so the handler may run in any child. Thread-safe.
#ifndef SLUICE_SRC_OS_FORK_H_
#define SLUICE_SRC_OS_FORK_H_

#include "base/bytes.h"

namespace sluice::os {

// What must be whole when a process is copied.
enum class ForkSection : u32 {
  kDescriptors = 0,  // a descriptor and its entry in the table; waits at most 100 ms
  kDatabase = 1,     // calls into a library that has locks of its own; waits at most 250 ms
};
inline constexpr u32 kForkSections = 2;

// A scope that a fork waits for, and that waits for a fork, each so long at most. After that, and
// when a signal handler forks in the midst of its own thread's scope, the child finds things as
// they were in between: forked_within() says so.
class NoForkWithin {
 public:
  explicit NoForkWithin(ForkSection section);
  ~NoForkWithin();
  NoForkWithin(const NoForkWithin&) = delete;
  NoForkWithin& operator=(const NoForkWithin&) = delete;

 private:
  const ForkSection section_;
};

// Around opening or closing a descriptor and its entry in the table: between the two a fork would
// leave the descriptor to the child until it ends, or have the child close another's.
class DescriptorChange : NoForkWithin {
 public:
  DescriptorChange() : NoForkWithin(ForkSection::kDescriptors) {}
};

// How many forks lie between this process and the one that loaded the library.
[[nodiscard]] u32 fork_generation();
// Whether the fork that made this process fell within such a scope.
[[nodiscard]] bool forked_within(ForkSection section);

void close_in_child(int fd);
void forget_in_child(int fd);

// Closes them, in a forked child: for who has a handler of its own. May be called again.
void close_marked();

// The three handlers of a fork. In the child, which has one thread, they are closed.
void before_fork();
void after_fork();
void close_inherited();

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_FORK_H_
