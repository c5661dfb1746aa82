// Descriptors that a forked child must not keep.
//
// The child closes them in its atfork handler: an inherited descriptor would hold a deleted region
// in memory and could write into the parent's files. A fixed table of atomics; no lock, no
// allocation, so the handler may run in any child. Thread-safe.
#ifndef SLUICE_SRC_OS_FORK_H_
#define SLUICE_SRC_OS_FORK_H_

namespace sluice::os {

// Around opening or closing a descriptor and its entry in the table. Between the two a fork would
// leave the descriptor to the child, or have the child close another's: a fork waits for the
// change, and a change for the fork, each at most 20 ms. After that, and when a signal handler
// forks in the midst of its own thread's change, the child may keep the descriptor until it ends.
class DescriptorChange {
 public:
  DescriptorChange();
  ~DescriptorChange();
  DescriptorChange(const DescriptorChange&) = delete;
  DescriptorChange& operator=(const DescriptorChange&) = delete;
};

void close_in_child(int fd);
void forget_in_child(int fd);

// The three handlers of a fork. In the child, which has one thread, they are closed.
void before_fork();
void after_fork();
void close_inherited();

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_FORK_H_
