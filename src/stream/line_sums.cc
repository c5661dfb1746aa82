#include "stream/line_sums.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "os/process.h"

namespace sluice::stream {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kEntriesAtOnce = 4096;

template <class T>
u32 check_of(const T& item) {
  return crc32c(&item, offsetof(T, check));
}

// Whether the bytes of a file from `from` on are those of an entry; a failed read in `error`.
bool holds(os::Io& io, int fd, u64 from, const SumsEntry& entry, std::vector<char>& buffer,
           int& error) {
  u32 crc = 0;
  while (from < entry.end) {
    const std::size_t bytes = std::size_t(std::min<u64>(entry.end - from, buffer.size()));
    const i64 got = os::pread_all(io, fd, buffer.data(), bytes, from);
    if (got < 0) error = int(got);
    if (got < i64(bytes)) return false;
    crc = crc32c(buffer.data(), bytes, crc);
    from += bytes;
  }
  return crc == entry.crc;
}

// Up to the first entry that does not hold.
u64 held_by_entries(os::Io& io, int fd, int lines_fd, u64 size, int& error) {
  std::vector<char> buffer(kReadBytes);
  std::vector<SumsEntry> entries(kEntriesAtOnce);
  u64 good = 0;
  for (u64 at = sizeof(SumsHead);; at += entries.size() * sizeof(SumsEntry)) {
    const i64 got = os::pread_all(io, fd, entries.data(), entries.size() * sizeof(SumsEntry), at);
    if (got < 0) error = int(got);
    if (got < i64(sizeof(SumsEntry))) return good;
    for (const SumsEntry& entry : std::span(entries).first(std::size_t(got) / sizeof(SumsEntry))) {
      if (entry.check != check_of(entry) || entry.end <= good || entry.end > size ||
          !holds(io, lines_fd, good, entry, buffer, error)) {
        return good;
      }
      good = entry.end;
    }
  }
}

// Its writer was killed, at most: the kernel still has all that it was given.
bool is_of_now(const SumsHead& head) {
  return std::string_view(head.boot, sizeof head.boot) == os::boot_id();
}

}  // namespace

std::string sums_name(std::string_view stem) { return "." + std::string(stem) + ".sums"; }

int LineSums::open() {
  if (fd_ < 0) fd_ = io_.open(path_.c_str(), os::kWrite);
  return fd_;
}

void LineSums::begin() {
  let_go();
  (void)io_.unlink(path_.c_str());
  fd_ = io_.open(path_.c_str(), os::kWrite | os::kCreate | os::kExclusive);
  kept_ = fd_ >= 0;
  size_ = end_ = told_ = 0;
  crc_ = 0;
}

void LineSums::identify(const os::FileId& lines) {
  if (!kept_) return;
  SumsHead head{.magic = SumsHead::kMagic, .inode = lines.inode, .born_ns = lines.born_ns};
  const std::string boot = os::boot_id();
  std::copy_n(boot.begin(), std::min(boot.size(), sizeof head.boot), head.boot);
  head.check = check_of(head);
  if (!put(&head, sizeof head)) remove();
}

bool LineSums::put(const void* bytes, std::size_t size) {
  if (open() < 0 || os::pwrite_all(io_, fd_, bytes, size, size_) < 0) return false;
  size_ += size;
  return true;
}

bool LineSums::append() {
  if (told_ == end_) return true;
  SumsEntry entry{.end = end_, .crc = crc_};
  entry.check = check_of(entry);
  if (!put(&entry, sizeof entry)) return false;
  told_ = end_;
  crc_ = 0;
  return true;
}

void LineSums::add(std::span<const ByteView> pieces, u64 bytes) {
  if (!kept_) return;
  for (const ByteView piece : pieces) {
    const std::size_t here = std::size_t(std::min<u64>(bytes, piece.size()));
    crc_ = crc32c(piece.data(), here, crc_);
    end_ += here;
    bytes -= here;
  }
  (void)append();  // else the next one covers it
}

void LineSums::begin_sync() {
  if (kept_ && append()) (void)io_.begin_writeback(fd_, 0, size_);
}

int LineSums::sync() {
  if (!kept_) return 0;
  int error = append() && open() >= 0 ? io_.sync_data(fd_) : -EIO;
  if (error == 0) return 0;
  let_go();
  kept_ = false;
  error = io_.unlink(path_.c_str());
  return error == -ENOENT ? 0 : error;
}

void LineSums::remove() {
  let_go();
  kept_ = false;
  (void)io_.unlink(path_.c_str());
}

void LineSums::let_go() {
  if (fd_ >= 0) io_.close(fd_);
  fd_ = -1;
}

std::optional<u64> LineSums::good_bytes(const os::FileInfo& lines, int lines_fd, int& error) const {
  error = 0;
  const int fd = io_.open(path_.c_str(), os::kRead);
  if (fd < 0) {
    if (fd != -ENOENT) error = fd;
    return {};
  }
  SumsHead head;
  const i64 got = os::pread_all(io_, fd, &head, sizeof head, 0);
  std::optional<u64> good;
  if (got < 0) {
    error = int(got);
  } else if (got < i64(sizeof head) || head.magic != SumsHead::kMagic ||
             head.check != check_of(head)) {
    good = 0;  // power was lost before anything of them was synced
  } else if (head.inode == lines.inode && head.born_ns == lines.born_ns && !is_of_now(head)) {
    good = held_by_entries(io_, fd, lines_fd, lines.size, error);
  }
  io_.close(fd);
  return good;
}

}  // namespace sluice::stream
