// Tells a collector how a child of ours ended: no other process can ask the kernel for it before
// Linux 6.15.
//
// From the child's start on a collector is told that it will be, so that it waits for our word; one
// that comes later, or in the place of another, too. Without one nothing is told, and nobody waits.
//
// Threading: single-owner. Never blocks. Failure: the collector then says that it does not know.
#ifndef SLUICE_SRC_CLI_END_TELLER_H_
#define SLUICE_SRC_CLI_END_TELLER_H_

#include <string>

#include "base/registration_message.h"
#include "os/child.h"

namespace sluice::cli {

class EndTeller {
 public:
  // At the socket that programs are told of by their variables.
  EndTeller();
  ~EndTeller();
  EndTeller(const EndTeller&) = delete;
  EndTeller& operator=(const EndTeller&) = delete;

  // Of this child, that nobody has waited for.
  void begin(u32 pid);
  // Until look() is to be called again: its descriptor can be read, or the time has passed.
  [[nodiscard]] int fd() const { return socket_; }
  [[nodiscard]] i64 wait_ns() const;
  void look();
  void tell(const os::ChildEnd& end);

 private:
  [[nodiscard]] bool send();

  std::string path_;  // empty: nobody is to be told
  EndMessage message_{};
  int socket_ = -1;
  i64 next_look_ns_ = 0;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_END_TELLER_H_
