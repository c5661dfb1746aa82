#include "sink/lock_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>

#include "base/crc32c.h"
#include "base/made.h"
#include "os/os_error.h"
#include "os/process.h"

namespace sluice::sink {
namespace {

constexpr u64 kLockByte = 0;
constexpr i64 kPauseFirstNs = 50'000;
constexpr i64 kPauseMaxNs = 2'000'000;

// Mutexes of the lock files open in this process, by {device, inode}.
struct Mutexes {
  explicit Mutexes(u32 process) : process_id(process) {}
  const u32 process_id;
  std::mutex mutex;
  std::map<std::pair<u64, u64>, std::weak_ptr<std::mutex>> of_file;
};

std::shared_ptr<std::mutex> mutex_of(u64 device, u64 inode) {
  // A forked child starts with a new table: in the old one, another thread of the parent may hold
  // any mutex. Losers of the race drop theirs.
  static std::atomic<Mutexes*> table{nullptr};
  Mutexes* current = Made::look(table);
  if (current == nullptr || current->process_id != os::process_id()) {
    auto made = std::make_unique<Mutexes>(os::process_id());
    if (Made::publish_in_place(table, current, made.get())) current = made.release();
  }
  const std::lock_guard lock(current->mutex);
  std::erase_if(current->of_file, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<std::mutex>& place = current->of_file[{device, inode}];
  std::shared_ptr<std::mutex> mutex = place.lock();
  if (!mutex) {
    mutex = std::make_shared<std::mutex>();
    place = mutex;
  }
  return mutex;
}

// Of what stands in a lock file: of all behind `crc`.
template <class Entry>
u32 crc_of(const Entry& entry) {
  constexpr std::size_t kHead = sizeof entry.magic + sizeof entry.crc;
  return crc32c(reinterpret_cast<const char*>(&entry) + kHead, sizeof entry - kHead);
}

template <class Entry>
bool is_sound(const Entry& entry) {
  return entry.magic == Entry::kMagic && entry.crc == crc_of(entry);
}

}  // namespace

LockFile::~LockFile() {
  release();
  close();
}

// Closing any descriptor of a file drops the process's locks on it: not while another holds it.
void LockFile::close() {
  if (fd_ < 0) return;
  const std::lock_guard lock(*in_process_);
  io_.close(fd_);
  fd_ = -1;
}

Status LockFile::open() {
  const int fd = io_.open(path_.c_str(), os::kRead | os::kWrite | os::kCreate);
  if (fd < 0) return failed(class_of_open_error(fd), path_, "cannot open the lock file", fd);
  os::FileInfo info;
  int error = io_.stat_fd(fd, info);
  if (error >= 0 && !info.regular) error = -EINVAL;
  Status status;
  if (error < 0) status = failed(ErrorClass::kRetryable, path_, "not a lock file", error);
  if (status.ok()) status = check_owner(path_, info);
  if (!status.ok()) {
    io_.close(fd);
    return status;
  }
  fd_ = fd;
  file_ = info.id();
  in_process_ = mutex_of(info.device, info.inode);
  return {};
}

// 0: held. -ESTALE: what is locked is not at the path any more.
int LockFile::try_lock() {
  std::unique_lock in_process(*in_process_, std::try_to_lock);
  if (!in_process) return -EAGAIN;
  int error = io_.lock(fd_, kLockByte, false);
  if (error < 0) return error;
  os::FileInfo named;
  error = io_.stat(path_.c_str(), named);
  const bool same = error >= 0 && named.id() == file_;
  if (error >= 0 && same && named.size < kBytes) {
    // Room for every note, so that none needs space on a full disk.
    const std::string zeros(kBytes - named.size, '\0');
    const i64 written = os::pwrite_all(io_, fd_, zeros.data(), zeros.size(), named.size);
    if (written < 0) error = int(written);
  }
  if (error == -ENOENT || (error >= 0 && !same)) error = -ESTALE;
  if (error < 0) {
    io_.unlock(fd_, kLockByte);
    return error;
  }
  held_ = std::move(in_process);
  return 0;
}

Status LockFile::acquire() {
  const i64 deadline = os::monotonic_ns() + kWaitNs;
  i64 pause = kPauseFirstNs;
  for (;;) {
    if (fd_ < 0) {
      Status opened = open();
      if (!opened.ok()) return opened;
    }
    const int error = try_lock();
    if (error == 0) return {};
    if (error == -ESTALE) {
      close();
    } else if (error != -EAGAIN && error != -EINTR) {
      return failed(ErrorClass::kRetryable, path_, "cannot lock", error);
    }
    if (os::monotonic_ns() > deadline) {
      return {ErrorClass::kRetryable,
              path_ + ": another writer has held the lock for a second; is it stopped?", EAGAIN};
    }
    if (error == -EAGAIN) {
      os::sleep_ns(pause);
      pause = std::min(pause * 2, kPauseMaxNs);
    }
  }
}

void LockFile::release() {
  if (!held_) return;
  io_.unlock(fd_, kLockByte);
  held_.unlock();
}

template <class Entry>
Result<std::optional<Entry>> LockFile::get(u64 offset) {
  Entry entry{};
  const i64 got = os::pread_all(io_, fd_, &entry, sizeof entry, offset);
  if (got < 0) return failed(ErrorClass::kRetryable, path_, "cannot read its notes", int(got));
  if (!is_sound(entry)) return std::optional<Entry>();
  return std::optional<Entry>(entry);
}

template <class Entry>
Status LockFile::put(Entry entry, u64 offset) {
  entry.magic = Entry::kMagic;
  entry.crc = crc_of(entry);
  const i64 written = os::pwrite_all(io_, fd_, &entry, sizeof entry, offset);
  if (written >= 0) return {};
  return failed(ErrorClass::kRetryable, path_, "cannot write its notes", int(written));
}

Result<std::optional<WriteNote>> LockFile::note() { return get<WriteNote>(0); }

Status LockFile::put_note(WriteNote note) {
  note.zero = 0;
  return put(note, 0);
}

Status LockFile::clear_note() {
  const WriteNote none{};
  const i64 written = os::pwrite_all(io_, fd_, &none, sizeof none, 0);
  if (written >= 0) return {};
  return failed(ErrorClass::kRetryable, path_, "cannot clear the note", int(written));
}

Status LockFile::read_settled(Settled& out) {
  out = {};
  const i64 got = os::pread_all(io_, fd_, out.data(), sizeof out, kSettledAt);
  if (got < 0) return failed(ErrorClass::kRetryable, path_, "cannot read the notes", int(got));
  for (WriteNote& note : out) {
    if (!is_sound(note)) note = {};
  }
  return {};
}

Status LockFile::add_settled(WriteNote note) {
  Settled settled;
  Status status = read_settled(settled);
  if (!status.ok()) return status;
  std::size_t place = 0;
  note.stamp = 0;
  for (std::size_t i = 0; i < settled.size(); ++i) {
    const WriteNote& other = settled[i];
    note.stamp = std::max(note.stamp, other.stamp + 1);
    if (other.stamp < settled[place].stamp) place = i;
  }
  // The same write again: its first settling was killed before the note was cleared.
  for (std::size_t i = 0; i < settled.size(); ++i) {
    if (settled[i].writer == note.writer && settled[i].attempt == note.attempt) place = i;
  }
  return put(note, kSettledAt + place * sizeof(WriteNote));
}

Result<std::optional<WriteNote>> LockFile::find_settled(const Writer& writer, u64 attempt) {
  Settled settled;
  Status status = read_settled(settled);
  if (!status.ok()) return status;
  for (const WriteNote& note : settled) {
    if (note.magic != 0 && note.writer == writer && note.attempt == attempt) {
      return std::optional<WriteNote>(note);
    }
  }
  return std::optional<WriteNote>();
}

Status LockFile::forget(const Writer& writer) {
  Settled settled;
  Status status = read_settled(settled);
  const WriteNote none{};
  for (std::size_t i = 0; i < settled.size() && status.ok(); ++i) {
    if (settled[i].magic == 0 || settled[i].writer != writer) continue;
    const u64 at = kSettledAt + i * sizeof none;
    const i64 written = os::pwrite_all(io_, fd_, &none, sizeof none, at);
    if (written < 0) status = failed(ErrorClass::kRetryable, path_, "cannot clear", int(written));
  }
  return status;
}

Result<std::optional<RotatedNumbers>> LockFile::rotated() {
  return get<RotatedNumbers>(kRotatedAt);
}
Status LockFile::put_rotated(RotatedNumbers numbers) { return put(numbers, kRotatedAt); }

Result<std::optional<FileBegin>> LockFile::begin() { return get<FileBegin>(kBeginAt); }
Status LockFile::put_begin(FileBegin begin) { return put(begin, kBeginAt); }

}  // namespace sluice::sink
