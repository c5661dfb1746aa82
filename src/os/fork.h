// Descriptors that a forked child must not keep.
//
// The child closes them in its atfork handler: an inherited descriptor would hold a deleted region
// in memory and could write into the parent's files. A fixed table of atomics; no lock, no
// allocation, so the handler may run in any child. Thread-safe.
#ifndef SLUICE_SRC_OS_FORK_H_
#define SLUICE_SRC_OS_FORK_H_

namespace sluice::os {

void close_in_child(int fd);
void forget_in_child(int fd);
// Called in the child, which has one thread.
void close_inherited();

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_FORK_H_
