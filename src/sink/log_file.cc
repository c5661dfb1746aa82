#include "sink/log_file.h"

#include <algorithm>
#include <cerrno>

#include "base/durations.h"
#include "os/os_error.h"
#include "sink/rotation_time.h"

namespace sluice::sink {
Status LogFile::open_current() {
  const char* const path = name_.path().c_str();
  os::FileInfo named;
  int error = io_.stat(path, named);
  if (error >= 0 && file_.is_open() && named.id() == info_.id()) {
    info_ = named;
    return {};
  }
  if (error < 0 && error != -ENOENT) {
    return failed(class_of_open_error(error), name_.path(), "cannot look at the file", error);
  }
  if (error >= 0 && !named.regular) {
    return {ErrorClass::kDisableSink,
            name_.path() + ": not a regular file (links are not followed); name a file"};
  }
  // A file, or nothing: nobody else makes one while we hold the lock, but anybody may remove it.
  const int fd = io_.open(path, os::kRead | os::kWrite | os::kCreate | os::kAppend);
  if (fd < 0) return failed(class_of_open_error(fd), name_.path(), "cannot open", fd);
  OpenFile opened(io_, fd);
  os::FileInfo info;
  const int stated = io_.stat_fd(fd, info);
  if (stated < 0) {
    return failed(class_of_open_error(stated), name_.path(), "cannot look at the file", stated);
  }
  Status owned = check_owner(name_.path(), info);
  if (!owned.ok()) return owned;
  if (error < 0) names_changed_ = true;
  if (file_.is_open()) former_ = std::move(file_);
  file_ = std::move(opened);
  info_ = info;
  return {};
}

int LogFile::list_rotated(std::vector<u64>& numbers) {
  const int result = io_.list(name_.directory().c_str(), [&](const char* entry) {
    std::optional<u64> number = name_.rotated_number(entry);
    if (!number) number = name_.packed_number(entry);
    if (number) numbers.push_back(*number);
  });
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return result;
}

// What this log has made; where that is not known, nothing yet, and the highest number there is.
int LogFile::last_made(LockFile& lock, RotatedNumbers& out) {
  const Result<std::optional<RotatedNumbers>> noted = lock.rotated();
  if (!noted.ok()) return -noted.status().os_error();
  if (noted.value()) {
    out = *noted.value();
    if (out.last == id()) --out.highest;  // its writer was killed before it renamed the file
    return 0;
  }
  std::vector<u64> numbers;
  const int error = list_rotated(numbers);
  if (error < 0) return error;
  out = {};
  out.highest = numbers.empty() ? 0 : numbers.back();
  out.lowest = out.highest + 1;
  return 0;
}

// From `number` on.
int LogFile::next_free(u64& number) {
  for (; number <= FileName::kNumberMax; ++number) {
    os::FileInfo there;
    int error = io_.stat(name_.rotated_path(number).c_str(), there);
    if (error == -ENOENT) error = io_.stat(name_.packed_path(number).c_str(), there);
    if (error == -ENOENT) return 0;
    if (error < 0) return error;
  }
  return -EEXIST;
}

int LogFile::rotate(LockFile& lock) {
  RotatedNumbers made{};
  int error = last_made(lock, made);
  if (error < 0) return error;
  u64 next = made.highest + 1;
  error = next_free(next);
  if (error < 0) return error;
  // Somebody else's file is between ours: those before it are left to whoever made it.
  if (next != made.highest + 1) made.lowest = next;
  made.highest = next;
  made.last = id();
  const Status noted = lock.put_rotated(made);
  if (!noted.ok()) return -noted.os_error();
  error = io_.rename(name_.path().c_str(), name_.rotated_path(next).c_str());
  if (error < 0) return error;
  names_changed_ = true;
  former_ = std::exchange(file_, OpenFile());
  info_ = {};
  return 0;
}

int LogFile::list_own(const RotatedNumbers& made, std::vector<Rotated>& files) {
  std::vector<u64> numbers;
  const int error = list_rotated(numbers);
  const u64 highest = made.last == id() ? made.highest - 1 : made.highest;  // as in last_made()
  for (const u64 number : numbers) {
    if (number < made.lowest || number > highest) continue;
    std::string path = name_.rotated_path(number);
    os::FileInfo info;
    const bool packed = io_.stat(path.c_str(), info) == -ENOENT;
    if (packed) path = name_.packed_path(number);
    if (packed && io_.stat(path.c_str(), info) < 0) continue;
    if (!info.regular || !check_owner(path, info).ok()) continue;
    files.push_back({number, packed, info.size, info.modified_ns});
  }
  return error;
}

std::optional<u64> LogFile::next_to_pack(LockFile& lock) {
  const Result<std::optional<RotatedNumbers>> noted = lock.rotated();
  if (!noted.ok() || !noted.value()) return std::nullopt;
  std::vector<Rotated> files;
  if (list_own(*noted.value(), files) < 0) return std::nullopt;
  for (const Rotated& file : files) {
    os::FileInfo there;
    if (io_.stat(name_.packed_path(file.number).c_str(), there) == -ENOENT) {
      return file.number;
    }
  }
  return std::nullopt;
}

Status LogFile::prune(const Keep& keep, i64 unix_ns, LockFile& lock, i64& expires_ns) {
  expires_ns = kNever;
  if (keep.everything()) return {};
  const Result<std::optional<RotatedNumbers>> noted = lock.rotated();
  if (!noted.ok() || !noted.value()) return noted.status();
  RotatedNumbers made = *noted.value();
  std::vector<Rotated> files;
  const int listed = list_own(made, files);
  if (listed < 0) {
    return failed(ErrorClass::kRetryable, name_.directory(), "cannot look for old files", listed);
  }
  const auto expiry = [&keep](const Rotated& file) {
    const u64 seconds = std::min(keep.seconds, u64((kNever - file.modified_ns) / kNsPerSecond));
    return keep.seconds == 0 ? kNever : file.modified_ns + i64(seconds) * kNsPerSecond;
  };
  std::size_t count = files.size();
  u64 bytes = 0;
  for (const Rotated& file : files) bytes += file.bytes;
  Status status;
  u64 lowest = made.lowest;
  for (const Rotated& oldest : files) {
    const bool too_many =
        (keep.files != 0 && count > keep.files) || (keep.bytes != 0 && bytes > keep.bytes);
    if (!too_many && unix_ns < expiry(oldest)) {
      expires_ns = expiry(oldest);
      break;
    }
    const std::string path =
        oldest.packed ? name_.packed_path(oldest.number) : name_.rotated_path(oldest.number);
    const int error = io_.unlink(path.c_str());
    if (error < 0 && error != -ENOENT && status.ok()) {
      status = failed(ErrorClass::kRetryable, path, "cannot be removed and stays", error);
    }
    --count;
    bytes -= oldest.bytes;
    if (error >= 0) names_changed_ = true;
    if (status.ok()) lowest = oldest.number + 1;
  }
  if (lowest == made.lowest) return status;
  made.lowest = lowest;
  (void)lock.put_rotated(made);  // else they are looked for again, and found gone
  return status;
}

int LogFile::find(const os::FileId& id, OpenFile& out) {
  const auto open_if_it = [&](const std::string& path) {
    os::FileInfo info;
    int error = io_.stat(path.c_str(), info);
    if (error < 0) return error;
    if (!info.regular || info.id() != id) return -ENOENT;
    const int fd = io_.open(path.c_str(), os::kRead | os::kWrite);
    if (fd < 0) return fd;
    OpenFile opened(io_, fd);
    error = io_.stat_fd(fd, info);
    if (error < 0) return error;
    if (info.id() != id) return -ENOENT;
    out = std::move(opened);
    return 0;
  };
  const int current = open_if_it(name_.path());
  if (current != -ENOENT) return current;
  std::vector<u64> numbers;
  const int listed = list_rotated(numbers);
  if (listed < 0) return listed;
  for (const u64 number : numbers) {
    const int error = open_if_it(name_.rotated_path(number));
    if (error == 0) return 0;
    if (error == -EINTR || error == -EIO) return error;
  }
  return -ENOENT;
}

i64 cut_torn_line(os::Io& io, int fd, u64 start, u64 bytes) {
  os::FileInfo info;
  int error = io.stat_fd(fd, info);
  if (error < 0) return error;
  if (info.size <= start) return 0;
  if (info.size - start > bytes) return i64(bytes);
  char block[4096];
  u64 end = info.size;
  while (end > start) {
    const u64 from = end - start > sizeof block ? end - sizeof block : start;
    const i64 got = os::pread_all(io, fd, block, end - from, from);
    if (got < 0) return got;
    const std::string_view read(block, std::size_t(got));
    const std::size_t newline = read.rfind('\n');
    if (newline != std::string_view::npos) {
      end = from + newline + 1;
      break;
    }
    end = from;
  }
  if (end < info.size) {
    error = io.truncate(fd, end);
    if (error < 0) return error;
  }
  return i64(end - start);
}

}  // namespace sluice::sink
