// Pipes under Windows, where no signal comes of a closed pipe, and a console takes what it is
// given.
#include "os/pipe.h"

#include "os/child.h"
#include "os/io.h"

namespace sluice::os {

NoPipeSignal::NoPipeSignal() = default;
NoPipeSignal::~NoPipeSignal() { (void)was_blocked_, (void)was_pending_; }

int wait_writable(int, i64) { return 1; }

// May wait for who reads a pipe: there is no write that never does.
i64 write_at_once(int fd, const void* from, std::size_t size) {
  return real_io().write(fd, from, size);
}

void close_descriptor(int& fd) {
  if (fd >= 0) real_io().close(fd);
  fd = -1;
}

// Not there yet: threads wait for sockets alone, which are not there either.
Flag::Flag() : fd_(-1) {}
Flag::~Flag() = default;
void Flag::raise() const {}
void Flag::lower() const {}
Readable wait_readable(int, int, i64) { return {}; }

}  // namespace sluice::os
