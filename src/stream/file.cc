#include "stream/file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "os/os_error.h"
#include "os/process.h"
#include "stream/names.h"

namespace sluice::stream {
namespace {

constexpr std::size_t kPiecesMax = 1024;
constexpr std::size_t kLookBytes = 64 * 1024;

// What is left of `pieces` behind the first `done` bytes.
std::vector<ByteView> rest_of(std::span<const ByteView> pieces, u64 done) {
  std::vector<ByteView> rest;
  for (const ByteView piece : pieces) {
    if (done >= piece.size()) {
      done -= piece.size();
      continue;
    }
    rest.push_back(piece.subspan(std::size_t(done)));
    done = 0;
    if (rest.size() == kPiecesMax) break;
  }
  return rest;
}

Status retryable(const Status& status) {
  return {ErrorClass::kRetryable, status.message(), status.os_error()};
}

// The size of a file without what stands behind its last newline, or -errno.
i64 whole_size(os::Io& io, int fd, u64 size) {
  std::vector<char> bytes(kLookBytes);
  while (size > 0) {
    const u64 from = size > kLookBytes ? size - kLookBytes : 0;
    const i64 got = os::pread_all(io, fd, bytes.data(), std::size_t(size - from), from);
    if (got < 0) return got;
    const std::string_view text(bytes.data(), std::size_t(got));
    const std::size_t newline = text.rfind('\n');
    if (newline != std::string_view::npos) return i64(from + newline + 1);
    size = from;
  }
  return 0;
}

}  // namespace

u64 whole_lines(std::span<const ByteView> pieces, u64 bytes) {
  u64 at = 0;
  u64 end = 0;
  for (const ByteView piece : pieces) {
    const std::size_t size = std::size_t(std::min<u64>(piece.size(), bytes - at));
    const std::size_t newline = as_text(piece.first(size)).rfind('\n');
    if (newline != std::string_view::npos) end = at + newline + 1;
    at += size;
    if (at == bytes) break;
  }
  return end;
}

StreamFile::StreamFile(os::Io& io, std::string directory, Claim& claim, FileLimits limits)
    : io_(io),
      directory_(std::move(directory)),
      claim_(claim),
      limits_(limits),
      path_(directory_ + "/" + claim.stem + ".log") {}

Status StreamFile::problem(ErrorClass error_class, std::string_view what, int error) const {
  return failed(error_class, path_, what, error);
}

u64 StreamFile::room() const {
  if (limits_.rotate_bytes == 0) return ~u64{0};
  return limits_.rotate_bytes > size_ ? limits_.rotate_bytes - size_ : 0;
}

Result<std::optional<u64>> StreamFile::recover() {
  let_go();
  os::FileInfo info;
  const int stated = io_.stat(path_.c_str(), info);
  if (stated == -ENOENT) return std::optional<u64>();
  if (stated < 0) return problem(ErrorClass::kFatal, "cannot look at the file", stated);
  if (!info.regular) return fatal(path_ + ": stands in the way, and is no file");
  if (Status owner = check_owner(path_, info); !owner.ok()) return owner;
  fd_ = io_.open(path_.c_str(), os::kRead | os::kWrite);
  if (fd_ < 0) return problem(ErrorClass::kFatal, "cannot be opened", fd_);
  const i64 whole = whole_size(io_, fd_, info.size);
  if (whole < 0) return problem(ErrorClass::kFatal, "cannot be read", int(whole));
  // Also when nothing is torn: room that was taken beyond its end is given back.
  if (const int error = io_.truncate(fd_, u64(whole)); error < 0) {
    return problem(ErrorClass::kFatal, "cannot cut a torn line", error);
  }
  id_ = info.id();
  exists_ = true;
  size_ = u64(whole);
  if (Status status = finish(); !status.ok()) return status;
  return std::optional<u64>(info.size - u64(whole));
}

int StreamFile::reopen() {
  if (fd_ >= 0) return 0;
  os::FileInfo info;
  fd_ = io_.open(path_.c_str(), os::kWrite);
  if (fd_ < 0) return fd_;
  const int stated = io_.stat_fd(fd_, info);
  if (stated == 0 && info.id() == id_ && info.size == size_) return 0;
  let_go();
  return stated < 0 ? stated : -ESTALE;
}

Status StreamFile::open() {
  if (exists_ && !finished_) {
    const int error = reopen();
    if (error == 0) return {};
    if (error != -ENOENT && error != -ESTALE) {
      return problem(ErrorClass::kRetryable, "cannot be opened", error);
    }
    finished_ = true;  // somebody has moved or changed it: it stays as it is
  }
  if (Status status = finish(); !status.ok()) return status;
  constexpr u32 kNew = os::kWrite | os::kCreate | os::kExclusive;
  fd_ = io_.open(path_.c_str(), kNew);
  if (fd_ == -EEXIST) {
    // Of an attempt that failed half way.
    if (Status status = recover().status(); !status.ok()) return retryable(status);
    fd_ = io_.open(path_.c_str(), kNew);
  }
  if (fd_ < 0) return problem(ErrorClass::kRetryable, "cannot be made", fd_);
  os::FileInfo info;
  if (const int error = io_.stat_fd(fd_, info); error < 0) {
    let_go();
    return problem(ErrorClass::kRetryable, "cannot look at the file", error);
  }
  id_ = info.id();
  exists_ = true;
  size_ = 0;
  // A hint: where it is not possible, the file grows as any other.
  if (limits_.preallocate_bytes > 0) (void)io_.allocate_beyond(fd_, 0, limits_.preallocate_bytes);
  return {};
}

Status StreamFile::write(std::span<const ByteView> pieces, u64& done) {
  if (Status status = open(); !status.ok()) return status;
  u64 total = 0;
  for (const ByteView piece : pieces) total += piece.size();
  while (done < total) {
    const i64 begin = os::monotonic_ns();
    i64 result = io_.pwritev(fd_, rest_of(pieces, done), size_);
    const i64 took = os::monotonic_ns() - begin;
    counts_.pwritev_ns += took;
    counts_.pwritev_ns_max = std::max(counts_.pwritev_ns_max, took);
    ++counts_.writes;
    if (result == -EINTR) continue;
    if (result == 0) result = -EIO;
    if (result < 0) {
      const ErrorClass error_class = class_of_write_error(int(result));
      if (error_class == ErrorClass::kRotate) {
        const u64 whole = whole_lines(pieces, done);
        // Not cut: it is written whole to the next file all the same.
        (void)take_back(done - whole);
        done = whole;
        (void)sync();
        finished_ = true;
      }
      return problem(error_class, "cannot be written", int(result));
    }
    size_ += u64(result);
    done += u64(result);
    counts_.bytes += u64(result);
  }
  return {};
}

Status StreamFile::take_back(u64 bytes) {
  if (bytes == 0 || bytes > size_) return {};
  if (const int error = io_.truncate(fd_, size_ - bytes); error < 0) {
    return problem(ErrorClass::kRotate, "cannot cut a line that was not written whole", error);
  }
  size_ -= bytes;
  counts_.bytes -= bytes;
  return {};
}

Status StreamFile::sync() {
  if (!exists_ || finished_ || size_ == 0) return {};
  int error = reopen();
  if (error == 0) error = io_.sync_data(fd_);
  if (error == 0) error = io_.sync_directory(directory_.c_str());
  if (error == 0) return {};
  // Another attempt would say that all is well: the kernel has let go of the bytes.
  ++counts_.sync_errors;
  finished_ = true;
  return problem(ErrorClass::kRotate, "cannot be synced", error);
}

Status StreamFile::finish() {
  if (!exists_) return {};
  if (limits_.preallocate_bytes > size_ && fd_ >= 0) (void)io_.truncate(fd_, size_);
  const Status synced = sync();
  let_go();
  finished_ = true;
  if (Status status = rename_finished(); !status.ok()) return status;
  exists_ = finished_ = false;
  size_ = 0;
  return synced;
}

Status StreamFile::rename_finished() {
  os::FileInfo info;
  const int stated = io_.stat(path_.c_str(), info);
  if (stated == -ENOENT || (stated == 0 && info.id() != id_)) return {};  // moved by somebody
  if (stated < 0) return problem(ErrorClass::kRetryable, "cannot look at the file", stated);
  if (size_ == 0) {
    const int error = io_.unlink(path_.c_str());
    return error < 0 ? problem(ErrorClass::kRetryable, "cannot be removed", error) : Status();
  }
  std::string to;
  int there = 0;
  while (there == 0) {
    to = directory_ + "/" + finished_name(claim_.stem, os::wall_ns(), ++claim_.finished);
    there = io_.stat(to.c_str(), info);
  }
  const int error = there == -ENOENT ? io_.rename(path_.c_str(), to.c_str()) : there;
  if (error < 0) return problem(ErrorClass::kRetryable, "cannot be given its own name", error);
  ++counts_.files;
  if (const int synced = io_.sync_directory(directory_.c_str()); synced < 0) {
    ++counts_.sync_errors;
  }
  return {};
}

void StreamFile::let_go() {
  if (fd_ >= 0) io_.close(fd_);
  fd_ = -1;
}

}  // namespace sluice::stream
