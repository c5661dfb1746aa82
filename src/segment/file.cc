#include "segment/file.h"

#include <cerrno>
#include <utility>

#include "segment/directory.h"

namespace sluice {
namespace {

// Other writers of the same name may take numbers; this many in a row is a fault of the directory.
constexpr u32 kNumbersTriedMax = 10'000;

}  // namespace

SegmentFile::SegmentFile(os::Io& io, std::string directory, std::string name, u64 number)
    : io_(io), directory_(std::move(directory)), name_(std::move(name)), number_(number) {}

int SegmentFile::create(u64 segment_id) {
  for (u32 tried = 0; tried < kNumbersTriedMax;) {
    path_ = directory_ + "/" + segment_file_name(name_, number_);
    const int fd = io_.open(path_.c_str(), os::kRead | os::kWrite | os::kCreate | os::kExclusive);
    if (fd == -EINTR) continue;
    if (fd == -EEXIST) {
      ++number_;
      ++tried;
      continue;
    }
    if (fd < 0) return fd;
    fd_ = fd;
    ++number_;
    offset_ = 0;
    segment_id_ = segment_id;
    unsynced_ = true;
    name_unsynced_ = true;
    return 0;
  }
  return -EEXIST;
}

int SegmentFile::write(ByteView bytes) {
  unsynced_ = true;
  const i64 result = os::pwrite_all(io_, fd_, bytes.data(), bytes.size(), offset_);
  if (result < 0) return int(result);
  offset_ += bytes.size();
  return 0;
}

int SegmentFile::sync() {
  if (!unsynced_) return 0;
  int result = io_.sync_data(fd_);
  if (result < 0) return result;
  if (name_unsynced_) {
    result = io_.sync_directory(directory_.c_str());
    if (result < 0) return result;
    name_unsynced_ = false;
  }
  unsynced_ = false;
  return 0;
}

void SegmentFile::close() {
  if (fd_ >= 0) io_.close(fd_);
  fd_ = -1;
  offset_ = 0;
  unsynced_ = false;
}

void SegmentFile::discard() {
  if (fd_ < 0) return;
  // Removed while still open: the name cannot have become another's in between.
  io_.unlink(path_.c_str());
  close();
}

}  // namespace sluice
