// Descriptors that are kept to be given up: where the process has no other left, a client can still
// be accepted by one, and told so.
//
// What another thread opens in between may take the place of the one that was given up. There are
// several, so that those which are then still on their way do not take the last.
//
// Threading: single-owner. Blocking: never.
#ifndef SLUICE_SRC_OS_DESCRIPTOR_RESERVE_H_
#define SLUICE_SRC_OS_DESCRIPTOR_RESERVE_H_

#include <array>

#include "os/child.h"
#include "os/io.h"

namespace sluice::os {

class DescriptorReserve {
 public:
  DescriptorReserve() { refill(); }
  ~DescriptorReserve() {
    for (int& fd : fds_) close_descriptor(fd);
  }
  DescriptorReserve(const DescriptorReserve&) = delete;
  DescriptorReserve& operator=(const DescriptorReserve&) = delete;

  // -errno when not one could be had the last time.
  [[nodiscard]] int status() const { return status_; }
  // Closes one, if any is left: the next call that makes a descriptor may have its place.
  void give_up_one() {
    if (count_ > 0) close_descriptor(fds_[--count_]);
  }
  // As many as there may be again.
  void refill() {
    status_ = 0;
    while (count_ < fds_.size() && status_ >= 0) {
      status_ = real_io().open("/dev/null", kRead);
      if (status_ >= 0) fds_[count_++] = status_;
    }
    if (count_ > 0) status_ = 0;
  }

 private:
  std::array<int, 4> fds_{-1, -1, -1, -1};
  std::size_t count_ = 0;
  int status_ = 0;
};

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_DESCRIPTOR_RESERVE_H_
