#include "sink/file_packer.h"

#include <cerrno>
#include <utility>

#include "os/os_error.h"

namespace sluice::sink {

int FilePacker::begin(u64 number) {
  number_ = number;
  read_ = written_ = 0;
  const int fd = io_.open(path().c_str(), os::kRead);
  if (fd < 0) return fd;
  from_ = OpenFile(io_, fd);
  char head[4];
  i64 result = io_.stat_fd(fd, info_);
  if (result >= 0) result = os::pread_all(io_, fd, head, sizeof head, 0);
  if (result >= 0 && !ZstdStream::is_frame({head, std::size_t(result)})) result = open_part();
  if (result < 0) give_up();
  return result < 0 ? int(result) : 0;
}

int FilePacker::open_part() {
  const std::string path = name_.part_path();
  const int fd = io_.open(path.c_str(), os::kRead | os::kWrite | os::kCreate);
  if (fd < 0) return fd;
  OpenFile part(io_, fd);
  os::FileInfo info, named;
  int error = io_.stat_fd(fd, info);
  if (error < 0) return error;
  if (!info.regular || !check_owner(path, info).ok()) return -EPERM;
  error = io_.lock(fd, 0, false);
  if (error < 0) return error;
  // Another packer may have given it its new name meanwhile: then it is not ours to empty.
  error = io_.stat(path.c_str(), named);
  if (error < 0 || named.id() != info.id()) return -EAGAIN;
  part_ = std::move(part);
  stream_.emplace(Zstd::instance());
  return io_.truncate(fd, 0);
}

int FilePacker::step() {
  if (!part_.is_open()) return 0;
  piece_.resize(kPieceBytes);
  const i64 got = os::pread_all(io_, from_.fd(), piece_.data(), piece_.size(), read_);
  if (got < 0) return int(got);
  const bool last = std::size_t(got) < kPieceBytes;
  packed_.clear();
  if (!stream_->add({piece_.data(), std::size_t(got)}, last, packed_)) return -ENOMEM;
  const i64 put = os::pwrite_all(io_, part_.fd(), packed_.data(), packed_.size(), written_);
  if (put < 0) return int(put);
  (void)io_.begin_writeback(part_.fd(), written_, packed_.size());
  read_ += u64(got);
  written_ += packed_.size();
  if (!last) return 1;
  (void)io_.set_modified(part_.fd(), info_.modified_ns);  // what its age goes by
  return io_.sync_data(part_.fd());
}

int FilePacker::finish() {
  const std::string plain = path(), packed = name_.packed_path(number_);
  os::FileInfo named;
  int error = io_.stat(plain.c_str(), named);
  if (error >= 0 && (named.id() != info_.id() || named.size != info_.size ||
                     named.modified_ns != info_.modified_ns)) {
    error = -EAGAIN;
  }
  if (error >= 0 && part_.is_open()) {
    error = io_.rename(name_.part_path().c_str(), plain.c_str());
    if (error >= 0) part_ = OpenFile();
  }
  if (error >= 0) error = io_.rename_new(plain.c_str(), packed.c_str());
  give_up();
  return error;
}

void FilePacker::give_up() {
  if (part_.is_open()) (void)io_.unlink(name_.part_path().c_str());
  part_ = OpenFile();
  from_ = OpenFile();
  stream_.reset();
}

}  // namespace sluice::sink
