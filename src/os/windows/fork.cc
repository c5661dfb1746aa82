// Windows copies no process: nothing to keep from a child.
#include "os/fork.h"

namespace sluice::os {

NoForkWithin::NoForkWithin(ForkSection section) : section_(section) {}
NoForkWithin::~NoForkWithin() { (void)section_; }

u32 fork_generation() { return 0; }
bool forked_within(ForkSection) { return false; }
void close_in_child(int) {}
void forget_in_child(int) {}
void close_marked() {}
void before_fork() {}
void after_fork() {}
void close_inherited() {}

}  // namespace sluice::os
