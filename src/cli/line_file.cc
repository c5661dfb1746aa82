#include "cli/line_file.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "os/process.h"
#include "sink/file_name.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

bool same_file(const os::FileInfo& a, const os::FileInfo& b) {
  return a.device == b.device && a.inode == b.inode;
}

}  // namespace

LineFile::LineFile(os::Io& io, std::string path, bool following)
    : io_(io), path_(std::move(path)), following_(following) {}

LineFile::~LineFile() { close(); }

void LineFile::close() {
  if (fd_ > 0) io_.close(fd_);
  fd_ = -1;
}

Status LineFile::open() {
  if (path_ == "-") {
    fd_ = 0;
    seekable_ = false;
    modified_ns_ = os::wall_ns();
    return {};
  }
  if (!open_path(path_)) return fatal("cannot open '" + path_ + "': " + problem_);
  note_place();
  modified_ns_ = info_.modified_ns;
  return {};
}

bool LineFile::open_path(const std::string& path) {
  const int fd = io_.open(path.c_str(), os::kRead | os::kFollow);
  if (fd < 0) {
    problem_ = os::error_text(fd);
    return false;
  }
  close();
  end_line();
  fd_ = fd;
  offset_ = 0;
  (void)io_.stat_fd(fd, info_);
  seekable_ = info_.regular;
  return !seekable_ || open_packed(path);
}

// False: it is compressed, and cannot be read.
bool LineFile::open_packed(const std::string& path) {
  packed_.reset();
  char head[4] = {};
  const i64 got = os::pread_all(io_, fd_, head, sizeof head, 0);
  if (got != i64{sizeof head} || !ZstdReader::is_zstd({head, sizeof head})) return true;
  packed_ = std::make_unique<ZstdReader>();
  const Status status = packed_->open(path);
  if (!status.ok()) problem_ = status.message();
  return status.ok();
}

void LineFile::note_place() {
  std::string place = os::resolved_path(path_);
  if (!place.empty()) place_ = std::move(place);
}

// Whatever comes next belongs to another line than what was read so far.
void LineFile::end_line() {
  if (used_ < buffer_.size()) buffer_ += '\n';
}

bool LineFile::read_more() {
  buffer_.erase(0, used_);
  searched_ -= used_;
  used_ = 0;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kReadBytes);
  if (packed_ != nullptr) {
    const std::size_t unpacked = packed_->read(buffer_.data() + size, kReadBytes);
    buffer_.resize(size + unpacked);
    const std::string& why = packed_->problem();
    if (!why.empty()) problem_ = path_ + ": is damaged or cut: " + why;
    return unpacked != 0;
  }
  i64 got;
  do {
    got = seekable_ ? io_.pread(fd_, buffer_.data() + size, kReadBytes, offset_)
                    : io_.read(fd_, buffer_.data() + size, kReadBytes);
  } while (got == -EINTR);
  buffer_.resize(size + std::size_t(std::max<i64>(got, 0)));
  offset_ += u64(std::max<i64>(got, 0));
  if (got < 0) problem_ = path_ + ": cannot be read: " + os::error_text(int(got));
  return got > 0;
}

bool LineFile::next(std::string_view& line) {
  for (;;) {
    const std::size_t newline = buffer_.find('\n', searched_);
    if (newline != std::string::npos) {
      line = std::string_view(buffer_).substr(used_, newline - used_);
      used_ = searched_ = newline + 1;
      return true;
    }
    searched_ = buffer_.size();
    if (buffer_.size() - used_ >= kLineBytesMax) {
      line = std::string_view(buffer_).substr(used_);
      used_ = searched_;
      return true;
    }
    if (fd_ < 0 || !read_more()) break;
  }
  // The end, for now. A last line without its newline is one only if nobody writes on.
  if ((following_ && queue_.empty() && fd_ >= 0) || used_ == buffer_.size()) return false;
  line = std::string_view(buffer_).substr(used_);
  used_ = searched_ = buffer_.size();
  return true;
}

bool LineFile::follow() {
  if (fd_ < 0) return switch_file();
  if (!seekable_) return false;
  if (packed_ != nullptr) return switch_file();
  os::FileInfo now;
  if (io_.stat_fd(fd_, now) == 0) {
    if (now.size > offset_) return true;
    if (now.size < offset_) {  // cut: what comes now begins at the start
      end_line();
      offset_ = 0;
      return now.size > 0 || used_ < buffer_.size();
    }
  }
  return switch_file();
}

// Goes on with the next rotated file, or with the new one at the path.
bool LineFile::switch_file() {
  os::FileInfo named;
  if (queue_.empty()) {
    // Through a link, as it was opened: a link is never the file that it leads to.
    const int failed = io_.stat_followed(path_.c_str(), named);
    if (failed != 0 || !named.regular || same_file(named, info_)) return false;
    queue_rotated(info_);
    queue_.push_back(path_);
  }
  while (!queue_.empty()) {
    const std::string next = queue_.front();
    queue_.pop_front();
    if (!open_path(next)) continue;
    if (next == path_) note_place();
    return true;
  }
  return false;
}

// The finished files that are newer than `old`, oldest first.
void LineFile::queue_rotated(const os::FileInfo& old) {
  if (place_.empty()) return;
  const sink::FileName name(place_);
  std::vector<u64> numbers;
  u64 old_number = 0;
  io_.list(name.directory().c_str(), [&](const char* file) {
    const auto number = name.rotated_number(file);
    if (!number) return;
    os::FileInfo info;
    if (io_.stat(name.in_directory(file).c_str(), info) != 0) return;
    numbers.push_back(*number);
    if (same_file(info, old)) old_number = *number;
  });
  // Without the old one's number nothing says which of them were read before.
  if (old_number == 0) return;
  std::sort(numbers.begin(), numbers.end());
  for (const u64 number : numbers) {
    if (number > old_number) queue_.push_back(name.rotated_path(number));
  }
}

}  // namespace sluice::cli
