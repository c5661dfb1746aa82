#include "cli/region_request.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "collector/region_image.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "region/marks.h"
#include "region/region.h"

namespace sluice::cli {
namespace {

using region::Answer;
using region::Request;
using region::RequestArea;
using region::RequestReader;

constexpr i64 kLookNs = 1'000'000;

class Asker {
 public:
  Asker(os::Io& io, const collector::RegionImage& image, int fd, i64 deadline_ns)
      : io_(io), image_(image), fd_(fd), deadline_ns_(deadline_ns) {}
  ~Asker() { io_.close(fd_); }  // and gives up the lock
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  Status take_turn() {
    for (;;) {
      const int error = io_.lock(fd_, region::kRequestLock, false);
      if (error == 0) return {};
      if (error != -EAGAIN) return fatal("cannot lock its region: " + os::error_text(error));
      if (is_late()) return fatal("another command is asking it for something; try again");
      os::sleep_ns(kLookNs);
    }
  }

  // Until there is nothing that the process has not answered.
  Status wait_until_idle() {
    return wait("it has not answered an earlier request: is it stopped? Nothing was asked for",
                [this] { return asked() == answered(); });
  }

  // The request first, its announcement last (P34).
  Status ask(const Request& request) {
    const u8 next = u8(asked() + 1);
    bool written = write(offsetof(RequestArea, request), &request, sizeof request);
    std::atomic_thread_fence(region::MarkOrders::set);  // between two calls of the kernel: P34
    written = written && write(offsetof(RequestArea, asked), &next, sizeof next);
    if (!written) return fatal("cannot write into its region");
    return wait("it has not answered yet: is it stopped? What was asked for holds once it goes on",
                [this, next] { return answered() == next; });
  }

  Answer answer() {
    std::atomic_thread_fence(
        region::MarkOrders::look);  // acquire, behind a call of the kernel: P34
    alignas(Answer) char bytes[sizeof(Answer)] = {};
    (void)read(offsetof(RequestArea, answer), bytes, sizeof bytes);
    auto answer = load<Answer>(bytes);
    answer.bytes = u8(std::min<u32>(answer.bytes, region::kAnswerTextMax));
    return answer;
  }

 private:
  template <class Done>
  Status wait(const char* late, const Done& done) {
    for (;;) {
      if (done()) return {};
      if (image_.is_gone() || os::lock_holder(fd_, region::kOwnerLock) == 0) {
        return fatal("it has ended before it answered");
      }
      if (byte_at(offsetof(RequestArea, reader)) != u8(RequestReader::kThread)) {
        return fatal(
            "it does not log now, or has no thread that could take a request "
            "(Mode::immediate, or left to a collector for good)");
      }
      if (is_late()) return {ErrorClass::kRetryable, late};
      os::sleep_ns(kLookNs);
    }
  }
  [[nodiscard]] bool is_late() const { return os::monotonic_ns() >= deadline_ns_; }
  bool read(u64 at, void* to, std::size_t size) {
    return os::pread_all(io_, fd_, to, size, image_.requests_at() + at) == i64(size);
  }
  bool write(u64 at, const void* from, std::size_t size) {
    return os::pwrite_all(io_, fd_, from, size, image_.requests_at() + at) == i64(size);
  }
  u8 byte_at(u64 at) {
    u8 byte = 0;
    (void)read(at, &byte, sizeof byte);
    return byte;
  }
  u8 asked() { return byte_at(offsetof(RequestArea, asked)); }
  u8 answered() { return byte_at(offsetof(RequestArea, answered)); }

  os::Io& io_;
  const collector::RegionImage& image_;
  const int fd_;
  const i64 deadline_ns_;
};

}  // namespace

Result<Answer> ask_process(os::Io& io, const std::string& path, const Request& request,
                           i64 deadline_ns) {
  const auto image = collector::RegionImage::open(io, path);
  if (!image.ok()) return image.status();
  if (image.value()->requests_at() == 0) return fatal("its region takes no requests");
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd < 0) return fatal("cannot write into its region: " + os::error_text(fd));
  Asker asker(io, *image.value(), fd, deadline_ns);
  Status status = asker.take_turn();
  if (status.ok()) status = asker.wait_until_idle();
  if (status.ok()) status = asker.ask(request);
  if (!status.ok()) return status;
  return asker.answer();
}

}  // namespace sluice::cli
