// Not there for Windows yet: nothing is said of a crash, and stacks are not walked.
#include "os/fatal_signals.h"

#include <cerrno>

namespace sluice::os {

std::string_view fatal_signal_name(int) { return {}; }
std::string_view signal_code_name(int, int) { return {}; }
int catch_fatal_signals(SayFatal) { return -ENOTSUP; }
bool catches_fatal_signals() { return false; }
void give_thread_stack() {}
void drop_thread_stack() {}
u32 return_addresses(const void**, u32) { return 0; }
LoadedFile loaded_file_at(const void*) { return {}; }

}  // namespace sluice::os
