#include "stream/file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "os/memory.h"
#include "os/os_error.h"
#include "os/process.h"
#include "stream/names.h"

namespace sluice::stream {
namespace {

constexpr std::size_t kPiecesMax = 1024;
constexpr u64 kPushBytes = 1 << 20;
// What the page cache keeps of a file that is written: what a reader that follows it asks for, and
// as much as a disk has under way. More only makes the kernel search for pages to take away, which
// is slower than the disk.
constexpr u64 kCachedBytes = 128 << 20;
constexpr u64 kDropBytes = 8 << 20;

// What is left of `pieces` behind the first `done` bytes.
std::vector<ByteView> rest_of(std::span<const Piece> pieces, u64 done) {
  std::vector<ByteView> rest;
  for (const Piece piece : pieces) {
    if (done >= piece.size()) {
      done -= piece.size();
      continue;
    }
    rest.push_back(piece.bytes.subspan(std::size_t(done)));
    done = 0;
    if (rest.size() == kPiecesMax) break;
  }
  return rest;
}

u64 total_of(std::span<const Piece> pieces) {
  u64 total = 0;
  for (const Piece piece : pieces) total += piece.size();
  return total;
}

Status retryable(const Status& status) {
  return {ErrorClass::kRetryable, status.message(), status.os_error()};
}

}  // namespace

StreamFile::StreamFile(os::Io& io, std::string directory, Claim& claim, FileFraming& framing,
                       FileLimits limits)
    : io_(io),
      directory_(std::move(directory)),
      claim_(claim),
      framing_(framing),
      sums_(io, directory_ + "/" + sums_name(claim.stem)),
      limits_(limits),
      path_(directory_ + "/" + claim.stem + ".log") {}

Status StreamFile::problem(ErrorClass error_class, std::string_view what, int error) const {
  return failed(error_class, path_, what, error);
}

u64 StreamFile::room() const {
  if (limits_.rotate_bytes == 0) return ~u64{0};
  // end_file() has room too.
  const u64 taken = size_ + framing_.end_bytes();
  return limits_.rotate_bytes > taken ? limits_.rotate_bytes - taken : 0;
}

Result<std::optional<LeftFile>> StreamFile::look_left(const std::optional<FilePlace>& known) {
  let_go();
  os::FileInfo info;
  const int stated = io_.stat(path_.c_str(), info);
  if (stated == -ENOENT) {
    sums_.remove();
    return std::optional<LeftFile>();
  }
  if (stated < 0) return problem(ErrorClass::kFatal, "cannot look at the file", stated);
  if (!info.regular) return fatal(path_ + ": stands in the way, and is no file");
  if (Status owner = check_owner(path_, info); !owner.ok()) return owner;
  fd_ = io_.open(path_.c_str(), os::kRead | os::kWrite);
  if (fd_ < 0) return problem(ErrorClass::kFatal, "cannot be opened", fd_);
  FilePlace good;
  left_framing_ = framing_of_file(io_, fd_, info.size, framing_);
  FileFraming& framing = left_framing_ ? *left_framing_ : framing_;
  int error = 0;
  u64 size = info.size;
  if (!framing.is_paged()) size = sums_.good_bytes(info, fd_, error).value_or(size);
  if (error == 0) error = framing.good_part(io_, fd_, size, known, good);
  if (error < 0) return problem(ErrorClass::kFatal, "cannot be read", error);
  id_ = info.id();
  exists_ = true;
  finished_ = ended_ = false;
  size_ = good.bytes;
  records_ = good.records;
  torn_ = i64(info.size) - i64(good.bytes);
  return std::optional<LeftFile>({good, torn_ > 0 ? u64(torn_) : 0});
}

// Past the page cache where that is wanted and possible.
int StreamFile::open_for_writing(u32 more_flags) {
  const bool direct = framing_.is_paged() && !left_framing_ && !refuses_direct_;
  int fd = io_.open(path_.c_str(), os::kWrite | more_flags | (direct ? u32{os::kDirect} : 0));
  if (fd == -EINVAL && direct) {
    refuses_direct_ = true;
    // The file may have been made all the same.
    fd = io_.open(path_.c_str(), os::kWrite | (more_flags & ~os::kExclusive));
  }
  return fd;
}

int StreamFile::reopen() {
  if (fd_ >= 0) return 0;
  os::FileInfo info;
  fd_ = open_for_writing(0);
  if (fd_ < 0) return fd_;
  const int stated = io_.stat_fd(fd_, info);
  if (stated == 0 && info.id() == id_ && i64(info.size) == i64(size_) + torn_) return 0;
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
  constexpr u32 kNew = os::kCreate | os::kExclusive;
  if (!framing_.is_paged()) sums_.begin();
  fd_ = open_for_writing(kNew);
  if (fd_ == -EEXIST) {
    // Of an attempt that failed half way. It has no sums.
    sums_.remove();
    Status status = look_left(std::nullopt).status();
    if (status.ok()) status = finish();
    if (!status.ok()) return retryable(status);
    if (!framing_.is_paged()) sums_.begin();
    fd_ = open_for_writing(kNew);
  }
  if (fd_ < 0) return problem(ErrorClass::kRetryable, "cannot be made", fd_);
  os::FileInfo info;
  if (const int error = io_.stat_fd(fd_, info); error < 0) {
    let_go();
    return problem(ErrorClass::kRetryable, "cannot look at the file", error);
  }
  id_ = info.id();
  sums_.identify(id_);
  exists_ = true;
  ended_ = false;
  size_ = records_ = pushed_ = dropped_ = 0;
  framing_.begin_file();
  // A hint: where it is not possible, the file grows as any other.
  if (limits_.preallocate_bytes > 0) (void)io_.allocate_beyond(fd_, 0, limits_.preallocate_bytes);
  return {};
}

// Those that no byte of is written yet; the others have their place.
void StreamFile::place_pieces(std::span<const Piece> pieces, u64 done) {
  u64 at = 0;
  FilePlace place{size_, records_};
  for (const Piece piece : pieces) {
    if (at >= done) {
      place.bytes = size_ + (at - done);
      framing_.place(piece, place);
    }
    if (at + piece.size() > done) place.records += piece.records;
    at += piece.size();
  }
}

Status StreamFile::write(std::span<const Piece> pieces, u64& done) {
  if (Status status = open(); !status.ok()) return status;
  const u64 total = total_of(pieces);
  place_pieces(pieces, done);
  while (done < total) {
    const std::vector<ByteView> rest = rest_of(pieces, done);
    const i64 begin = os::monotonic_ns();
    i64 result = io_.pwritev(fd_, rest, size_);
    const i64 took = os::monotonic_ns() - begin;
    counts_.pwritev_ns += took;
    counts_.pwritev_ns_max = std::max(counts_.pwritev_ns_max, took);
    ++counts_.writes;
    if (result == -EINTR) continue;
    if (result == -EINVAL && framing_.is_paged() && !refuses_direct_) {
      // The page cache takes what goes on in the midst of a page.
      refuses_direct_ = true;
      let_go();
      if (Status status = open(); !status.ok()) return status;
      continue;
    }
    if (result == 0) result = -EIO;
    if (result < 0) {
      const ErrorClass error_class = class_of_write_error(int(result));
      if (error_class == ErrorClass::kRotate) {
        const u64 whole = framing_.whole(pieces, done);
        // Not cut: it is written whole to the next file all the same.
        (void)take_back(done - whole);
        done = whole;
        (void)sync();
        finished_ = true;
      }
      return problem(error_class, "cannot be written", int(result));
    }
    records_ += framing_.records_between(pieces, done, done + u64(result));
    size_ += u64(result);
    done += u64(result);
    counts_.bytes += u64(result);
    sums_.add(rest, u64(result));
    note_written(done < total ? done - framing_.whole(pieces, done) : 0);
    begin_writeback();
  }
  return {};
}

// But for the last bytes, of a unit that is not whole yet.
void StreamFile::note_written(u64 torn) {
  if (writer_counts_ != nullptr) writer_counts_->note_written({size_ - torn, records_});
}

// In large pieces, and not the page that is still written: the disk works while the next chunks
// fill, and not only in the sync at the end.
void StreamFile::begin_writeback() {
  if (framing_.is_paged() && !refuses_direct_) return;  // nothing is in the page cache
  const u64 to = size_ / os::kPageBytes * os::kPageBytes;
  if (to < pushed_ + kPushBytes) return;
  (void)io_.begin_writeback(fd_, pushed_, to - pushed_);
  pushed_ = to;
  drop_cached();
}

// Far enough behind that the disk has it; what it has not yet, stays.
void StreamFile::drop_cached() {
  if (pushed_ < dropped_ + kCachedBytes + kDropBytes) return;
  const u64 to = pushed_ - kCachedBytes;
  (void)io_.drop_cached(fd_, dropped_, to - dropped_);
  dropped_ = to;
}

Status StreamFile::take_back(u64 bytes) {
  if (bytes == 0 || bytes > size_) return {};
  size_ -= bytes;
  pushed_ = std::min(pushed_, size_);
  dropped_ = std::min(dropped_, size_);
  counts_.bytes -= bytes;
  note_written();
  if (const int error = io_.truncate(fd_, size_); error < 0) {
    torn_ = i64(bytes);  // end_file() tries again
    return problem(ErrorClass::kRotate, "cannot cut a line that was not written whole", error);
  }
  sums_.remove();  // they cannot be taken back
  return {};
}

Status StreamFile::sync() { return sync_all(true); }

Status StreamFile::sync_all(bool with_sums) {
  if (!exists_ || finished_ || size_ == 0) return {};
  if (with_sums) sums_.begin_sync();
  int error = reopen();
  if (error == 0) error = io_.sync_data(fd_);
  if (error == 0 && with_sums) error = sums_.sync();
  if (error == 0) error = io_.sync_directory(directory_.c_str());
  if (error == 0) return {};
  // Another attempt would say that all is well: the kernel has let go of the bytes.
  ++counts_.sync_errors;
  finished_ = true;
  return problem(ErrorClass::kRotate, "cannot be synced", error);
}

// Cuts what is not of it, and writes what completes it.
Status StreamFile::end_file() {
  if (ended_ || finished_ || reopen() < 0) return {};
  if (torn_ != 0 || limits_.preallocate_bytes > size_) {
    if (const int error = io_.truncate(fd_, size_); error < 0 && torn_ != 0) {
      return problem(ErrorClass::kRetryable, "cannot be cut where it is torn", error);
    }
    torn_ = 0;
  }
  FileFraming& framing = left_framing_ ? *left_framing_ : framing_;
  const ByteView end = size_ > 0 ? framing.end_file(place()) : ByteView();
  while (!end.empty()) {
    std::size_t done = 0;
    const i64 result = os::pwrite_all(io_, fd_, end.data(), end.size(), size_, &done);
    if (result >= 0) break;
    if (result == -EINVAL && !refuses_direct_ && !left_framing_) {
      refuses_direct_ = true;
      let_go();
      if (reopen() == 0) continue;
    }
    torn_ = i64(done);
    // Without its end it is what a killed writer leaves, and is read as that.
    if (class_of_write_error(int(result)) == ErrorClass::kRotate) return {};
    return problem(ErrorClass::kRetryable, "cannot be completed", int(result));
  }
  size_ += end.size();
  counts_.bytes += end.size();
  ended_ = true;
  return {};
}

void StreamFile::leave_incomplete() {
  if (torn_ != 0 && reopen() == 0 && io_.truncate(fd_, size_) == 0) torn_ = 0;
  ended_ = true;
  if (torn_ == 0) return;
  let_go();
  exists_ = false;  // it keeps its name, as that of a killed writer does, and is cut by the next
}

Status StreamFile::finish() {
  if (!exists_) return {};
  if (Status ended = end_file(); !ended.ok()) return ended;
  const Status synced = sync_all(false);
  let_go();
  finished_ = true;
  if (Status status = rename_finished(); !status.ok()) return status;
  sums_.remove();
  if (writer_counts_ != nullptr) writer_counts_->note_finished();
  exists_ = finished_ = false;
  size_ = records_ = 0;
  torn_ = 0;
  left_framing_.reset();
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
  sums_.let_go();
  if (fd_ >= 0) io_.close(fd_);
  fd_ = -1;
}

}  // namespace sluice::stream
