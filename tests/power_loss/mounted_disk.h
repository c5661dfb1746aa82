// Mounts of the test, in a mount namespace of its own: the kernel takes them down, and detaches the
// loop devices, when the process ends, however it ends.
//
// Threading: single-owner. Errors: problem(), empty when there is none.
#ifndef SLUICE_TESTS_POWER_LOSS_MOUNTED_DISK_H_
#define SLUICE_TESTS_POWER_LOSS_MOUNTED_DISK_H_

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "os/io.h"

namespace sluice::power_loss {

// What this process mounts from now on only it sees. Empty, or why that cannot be.
inline std::string own_mounts() {
  if (::geteuid() != 0) return "only root may mount";
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return "no mount namespace: " + os::error_text(errno);
  }
  return {};
}

// A disk in memory that a loop device can take.
class MemoryDisk {
 public:
  explicit MemoryDisk(u64 size) : fd_(::memfd_create("disk", MFD_CLOEXEC)), size_(size) {
    if (fd_ < 0 || ::ftruncate(fd_, off_t(size)) != 0) std::abort();
    memory_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory_ == MAP_FAILED) std::abort();
  }
  ~MemoryDisk() {
    ::munmap(memory_, size_);
    ::close(fd_);
  }
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() { return {static_cast<std::byte*>(memory_), size_}; }
  [[nodiscard]] std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_);
  }
  // With a new ext4 on it.
  [[nodiscard]] bool format() const {
    const std::string command =
        "mkfs.ext4 -q -F -b 4096 -J size=4 -m 0 -E lazy_itable_init=0,lazy_journal_init=0 " +
        path() + " >/dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  }

 private:
  const int fd_;
  const u64 size_;
  void* memory_;
};

// The ext4 of a file, mounted through a loop device.
class MountedDisk {
 public:
  MountedDisk(const std::string& file, std::string at, const char* options, bool direct)
      : at_(std::move(at)) {
    const std::string device = attach(file, direct);
    if (device.empty()) return;
    if (::mount(device.c_str(), at_.c_str(), "ext4", MS_NOATIME, options) != 0) {
      problem_ = "ext4 cannot be mounted: " + os::error_text(errno);
    } else {
      mounted_ = true;
    }
  }
  ~MountedDisk() {
    unmount();
    if (loop_ >= 0) ::close(loop_);  // it detaches itself
  }
  MountedDisk(const MountedDisk&) = delete;
  MountedDisk& operator=(const MountedDisk&) = delete;

  [[nodiscard]] const std::string& problem() const { return problem_; }
  void unmount() {
    if (mounted_ && ::umount2(at_.c_str(), 0) != 0) ::umount2(at_.c_str(), MNT_DETACH);
    mounted_ = false;
  }

 private:
  std::string attach(const std::string& file, bool direct) {
    const int backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    std::string device;
    // Another process may take the free one first.
    for (int attempt = 0; attempt < 20 && backing >= 0 && control >= 0; ++attempt) {
      const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
      if (number < 0) break;
      device = "/dev/loop" + std::to_string(number);
      loop_ = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
      loop_config config{};
      config.fd = u32(backing);
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0);
      if (loop_ >= 0 && ::ioctl(loop_, LOOP_CONFIGURE, &config) == 0) break;
      const int error = errno;
      if (loop_ >= 0) ::close(loop_);
      loop_ = -1;
      if (error != EBUSY) break;
    }
    if (loop_ < 0) problem_ = "no loop device: " + os::error_text(errno);
    if (backing >= 0) ::close(backing);
    if (control >= 0) ::close(control);
    return loop_ < 0 ? std::string() : device;
  }

  const std::string at_;
  int loop_ = -1;
  bool mounted_ = false;
  std::string problem_;
};

}  // namespace sluice::power_loss

#endif  // SLUICE_TESTS_POWER_LOSS_MOUNTED_DISK_H_
