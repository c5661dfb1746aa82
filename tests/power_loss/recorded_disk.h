// A disk that writes down what it is told, in order: a file that FUSE serves, for a loop device.
//
//   RecordedDisk disk(image, path);     // an empty regular file at `path` becomes the disk
//   disk.length();                      // so far: a place in the log
//   disk.log().at(i)                    // what happened
//
// The disk has a cache that may lose anything: what is written is safe when a flush came after its
// end. Writes end late and out of order, by up to `delay_us_max`, as those of a real disk with
// several queues do; a flush covers those that have ended. It speaks the kernel's FUSE protocol
// (linux/fuse.h) itself, so it needs no library.
//
// The server is a process of its own, which dies with the one that made it. Then the kernel fails
// everything that is under way, so nothing stands still however the test ends.
//
// Threading: the log may be read by any thread while the disk runs. Errors: problem().
#ifndef SLUICE_TESTS_POWER_LOSS_RECORDED_DISK_H_
#define SLUICE_TESTS_POWER_LOSS_RECORDED_DISK_H_

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "os/process.h"
#include "power_loss/disk_log.h"

namespace sluice::power_loss {

// Answers the kernel for one file that is all of a file system.
class FileServer {
 public:
  FileServer(int fd, std::span<std::byte> image, DiskLog& log, u32 delay_us_max)
      : fd_(fd), image_(image), log_(log), delay_us_max_(delay_us_max), request_(kRequestBytes) {}

  // Until the file system is unmounted.
  void serve() {
    for (;;) {
      pollfd ready{fd_, POLLIN, 0};
      (void)::poll(&ready, 1, wait_ms());
      end_due();
      if (ready.revents == 0) continue;
      const ssize_t got = ::read(fd_, request_.data(), request_.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
      if (got < ssize_t(sizeof(fuse_in_header))) return;
      std::memcpy(&head_, request_.data(), sizeof head_);
      answer();
    }
  }

 private:
  static constexpr u32 kWriteBytesMax = 1 << 20;
  static constexpr std::size_t kRequestBytes = kWriteBytesMax + 4096;

  struct UnderWay {
    i64 until_ns;
    u64 request;
    u32 bytes;
    u64 entry;  // of the log
  };

  template <class T>
  [[nodiscard]] T argument() const {
    T value;
    std::memcpy(&value, request_.data() + sizeof head_, sizeof value);
    return value;
  }
  void reply(u64 request, int error, std::span<const std::byte> body = {}) {
    fuse_out_header out{u32(sizeof out + body.size()), error, request};
    const iovec parts[] = {{&out, sizeof out}, {const_cast<std::byte*>(body.data()), body.size()}};
    (void)!::writev(fd_, parts, 2);
  }
  template <class T>
  void reply_with(const T& body) {
    reply(head_.unique, 0, std::as_bytes(std::span(&body, 1)));
  }
  [[nodiscard]] fuse_attr attributes() const {
    fuse_attr attr{};
    attr.ino = FUSE_ROOT_ID;
    attr.size = image_.size();
    attr.blocks = image_.size() / 512;
    attr.blksize = 4096;
    attr.mode = S_IFREG | 0600;
    attr.nlink = 1;
    return attr;
  }

  [[nodiscard]] int wait_ms() const {
    if (under_way_.empty()) return -1;
    i64 first = under_way_.front().until_ns;
    for (const UnderWay& write : under_way_) first = std::min(first, write.until_ns);
    return int(std::clamp<i64>((first - os::monotonic_ns() + 999'999) / 1'000'000, 0, 1000));
  }
  void end_due() {
    const i64 now = os::monotonic_ns();
    std::erase_if(under_way_, [&](const UnderWay& write) {
      if (write.until_ns > now) return false;
      log_.add_end(write.entry);
      reply_write(write);
      return true;
    });
  }
  void reply_write(const UnderWay& write) {
    const fuse_write_out out{write.bytes, 0};
    reply(write.request, 0, std::as_bytes(std::span(&out, 1)));
  }

  void begin_write() {
    const auto in = argument<fuse_write_in>();
    const std::byte* const from = request_.data() + sizeof head_ + sizeof in;
    if (in.offset + in.size > image_.size()) return reply(head_.unique, -ENOSPC);
    const auto entry = log_.add_write(in.offset, {from, in.size});
    if (!entry) return reply(head_.unique, -EIO);  // the log is full
    std::memcpy(image_.data() + in.offset, from, in.size);
    const i64 delay_us = delay_us_max_ == 0 ? 0 : i64(random_() % delay_us_max_);
    under_way_.push_back({os::monotonic_ns() + delay_us * 1000, head_.unique, in.size, *entry});
    end_due();
  }

  void answer() {
    switch (head_.opcode) {
      case FUSE_INIT: {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = FUSE_KERNEL_MINOR_VERSION;
        out.max_readahead = 0;
        out.flags = argument<fuse_init_in>().flags &
                    (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES);
        out.max_background = 64;
        out.congestion_threshold = 64;
        out.max_write = kWriteBytesMax;
        out.max_pages = kWriteBytesMax / 4096;
        return reply_with(out);
      }
      case FUSE_GETATTR:
      case FUSE_SETATTR: {
        fuse_attr_out out{};
        out.attr_valid = 3600;
        out.attr = attributes();
        return reply_with(out);
      }
      case FUSE_OPEN:
        return reply_with(fuse_open_out{});
      case FUSE_READ: {
        const auto in = argument<fuse_read_in>();
        const u64 from = std::min<u64>(in.offset, image_.size());
        return reply(head_.unique, 0,
                     image_.subspan(from, std::min<u64>(in.size, image_.size() - from)));
      }
      case FUSE_WRITE:
        return begin_write();
      case FUSE_FSYNC:
        log_.add_flush();
        return reply(head_.unique, 0);
      case FUSE_FLUSH:
      case FUSE_RELEASE:
        return reply(head_.unique, 0);
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;  // these have no answer
      default:
        return reply(head_.unique, -ENOSYS);
    }
  }

  const int fd_;
  const std::span<std::byte> image_;
  DiskLog& log_;
  const u32 delay_us_max_;
  std::vector<std::byte> request_;
  fuse_in_header head_{};
  std::vector<UnderWay> under_way_;
  std::minstd_rand random_{1};
};

class RecordedDisk {
 public:
  // The disk holds `image` at first.
  RecordedDisk(std::span<const std::byte> image, const std::string& path, u32 delay_us_max)
      : path_(path), image_(image.size()), log_(kLogBytes) {
    if (!image_ || !log_.ok()) {
      problem_ = "there is no memory";
      return;
    }
    std::memcpy(image_.get().data(), image.data(), image.size());
    const int made = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (made >= 0) ::close(made);
    const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      problem_ = "/dev/fuse: " + os::error_text(errno);
      return;
    }
    const std::string options =
        "fd=" + std::to_string(fd) + ",rootmode=100600,user_id=0,group_id=0,max_read=1048576";
    if (::mount("sluice", path.c_str(), "fuse", 0, options.c_str()) != 0) {
      problem_ = "a FUSE mount: " + os::error_text(errno);
    } else {
      mounted_ = true;
      start(fd, delay_us_max);
    }
    ::close(fd);
  }
  ~RecordedDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
  }
  RecordedDisk(const RecordedDisk&) = delete;
  RecordedDisk& operator=(const RecordedDisk&) = delete;

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const DiskLog& log() const { return log_; }

 private:
  static constexpr u64 kLogBytes = u64{1} << 30;  // of addresses: pages come as they are used

  void start(int fd, u32 delay_us_max) {
    const pid_t parent = ::getpid();
    server_ = ::fork();
    if (server_ < 0) problem_ = "no child: " + os::error_text(errno);
    if (server_ != 0) return;
    // In mounts of its own: it must live until those of a killed parent are taken down, and the
    // kernel asks it for that.
    const bool apart = ::unshare(CLONE_NEWNS) == 0 && ::umount2(path_.c_str(), MNT_DETACH) == 0;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (apart && ::getppid() == parent) FileServer(fd, image_.get(), log_, delay_us_max).serve();
    ::_exit(0);
  }

  const std::string path_;
  SharedBytes image_;
  DiskLog log_;
  std::string problem_;
  bool mounted_ = false;
  pid_t server_ = -1;
};

}  // namespace sluice::power_loss

#endif  // SLUICE_TESTS_POWER_LOSS_RECORDED_DISK_H_
