#include "stream/directory.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <utility>

#include "os/os_error.h"
#include "stream/kept_memory.h"
#include "stream/names.h"

namespace sluice::stream {
namespace {

constexpr u64 kIndexBytesMax = u64{64} << 20;
constexpr u64 kNumberMax = 999'999'999'999'999;  // as parse_finished() takes

// Those that are open, by directory: a second descriptor of an index would, when it is closed, take
// the locks of the first with it. One that nobody holds any more is open until its end has closed
// it. Never destroyed: streams may be closed while the process exits.
struct Opened {
  std::mutex mutex;
  std::condition_variable closed;
  std::map<Directory::Place, std::weak_ptr<Directory>> by_place;
};
Opened& opened() {
  static auto* const all = new Opened;
  return *all;
}

bool exists(os::Io& io, const std::string& path) {
  os::FileInfo info;
  return io.stat(path.c_str(), info) == 0;
}

}  // namespace

Result<std::shared_ptr<Directory>> Directory::open(os::Io& io, const std::string& path) {
  Forks::watch();
  if (const int made = make_directories(io, path); made < 0) {
    return failed(ErrorClass::kFatal, path, "cannot make the directory", made);
  }
  os::FileInfo info;
  const int stated = io.stat_followed(path.c_str(), info);
  if (stated < 0 || !info.directory) {
    return failed(ErrorClass::kFatal, path, "cannot look into it", stated < 0 ? stated : -ENOTDIR);
  }
  Opened& all = opened();
  const Place place{Forks::count(), info.device, info.inode};
  std::unique_lock lock(all.mutex);
  for (auto at = all.by_place.find(place); at != all.by_place.end();
       at = all.by_place.find(place)) {
    if (auto there = at->second.lock()) return there;
    all.closed.wait(lock);
  }
  const std::string index = path + "/" + kIndexName;
  const int fd = io.open(index.c_str(), os::kRead | os::kWrite | os::kCreate);
  if (fd < 0) return failed(ErrorClass::kFatal, index, "cannot be opened", fd);
  std::shared_ptr<Directory> made(new Directory(io, path, fd));
  os::FileInfo file;
  if (const int error = io.stat_fd(fd, file); error < 0) {
    return failed(ErrorClass::kFatal, index, "cannot look at the file", error);
  }
  if (Status owner = check_owner(index, file); !owner.ok()) return owner;
  made->note_finished();
  made->id_ = info.id();
  made->place_ = place;
  all.by_place[place] = made;
  return made;
}

// In a forked child the close would take the locks of its own descriptor of the index with it.
Directory::~Directory() {
  if (forks_ != Forks::count()) return;
  if (!place_) {  // open() has not got so far, and holds the lock
    io_.close(fd_);
    return;
  }
  const std::scoped_lock lock(opened().mutex);
  io_.close(fd_);
  opened().by_place.erase(*place_);
  opened().closed.notify_all();
}

void Directory::note_finished() {
  (void)io_.list(path_.c_str(), [this](const char* name) {
    const FinishedName file = parse_finished(name);
    if (file.number == 0) return;
    u64& highest = finished_[std::string(file.stem)];
    highest = std::max(highest, file.number);
  });
}

// Under the lock of byte 0. What a killed process left of a line is cut.
Status Directory::read_lines() {
  os::FileInfo info;
  if (const int error = io_.stat_fd(fd_, info); error < 0) {
    return failed(ErrorClass::kRetryable, index_path(), "cannot look at the file", error);
  }
  if (info.size < read_bytes_ || info.size > kIndexBytesMax) {
    return fatal(index_path() + ": somebody else has changed it; no stream can be opened here");
  }
  std::string text(info.size - read_bytes_, '\0');
  const i64 got = os::pread_all(io_, fd_, text.data(), text.size(), read_bytes_);
  if (got < 0) return failed(ErrorClass::kRetryable, index_path(), "cannot be read", int(got));
  text.resize(std::size_t(got));
  for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
    const std::string_view line = std::string_view(text).substr(0, end);
    const std::size_t tab = std::min(line.find('\t'), line.size());
    Line read{std::string(line.substr(0, tab)),
              tab == line.size() ? std::string() : percent_decoded(line.substr(tab + 1))};
    if (stem_of(read.stem) != read.stem) read = {};  // no name of ours; it keeps its number
    lines_.push_back(std::move(read));
    read_bytes_ += end + 1;
  }
  if (text.empty()) return {};
  if (const int error = io_.truncate(fd_, read_bytes_); error < 0) {
    return failed(ErrorClass::kRetryable, index_path(), "cannot cut a torn line", error);
  }
  return {};
}

std::string Directory::free_stem(std::string_view name) const {
  const auto taken = [this](const std::string& stem) {
    return std::any_of(lines_.begin(), lines_.end(),
                       [&](const Line& line) { return line.stem == stem; });
  };
  std::string stem = stem_of(name);
  if (!needs_hash(name) && !taken(stem)) return stem;
  std::string salted(name);
  while (taken(stem = stem_with_hash(salted))) salted += '_';
  return stem;
}

Status Directory::append(const Line& line) {
  const std::string text = line.stem + "\t" + percent_encoded(line.name) + "\n";
  const i64 done = os::pwrite_all(io_, fd_, text.data(), text.size(), read_bytes_);
  if (done < 0) return failed(ErrorClass::kRetryable, index_path(), "cannot be written", int(done));
  if (const int error = io_.sync_data(fd_); error < 0) {
    return failed(ErrorClass::kRetryable, index_path(), "cannot be synced", error);
  }
  lines_.push_back(line);
  read_bytes_ += text.size();
  return {};
}

Status Directory::with_lines(const std::function<Status()>& act) {
  if (const int error = io_.lock(fd_, 0, true); error < 0) {
    return failed(ErrorClass::kRetryable, index_path(), "cannot be locked", error);
  }
  Status status = read_lines();
  if (status.ok()) status = act();
  io_.unlock(fd_, 0);
  return status;
}

Result<u64> Directory::line_of(std::string_view name) {
  const auto found = std::find_if(lines_.begin(), lines_.end(), [&](const Line& known) {
    return !known.stem.empty() && known.name == name;
  });
  const u64 line = u64(found - lines_.begin()) + 1;
  if (found == lines_.end()) {
    if (Status status = append({free_stem(name), std::string(name)}); !status.ok()) return status;
  }
  return line;
}

// kRetryable with EAGAIN: somebody else has it.
Status Directory::lock_line(u64 line) {
  const int locked = claimed_.contains(line) ? -EAGAIN : io_.lock(fd_, line, false);
  if (locked == -EAGAIN) {
    return Status(ErrorClass::kRetryable,
                  path_ + "/" + lines_[line - 1].stem + ".log: somebody else writes this stream",
                  EAGAIN);
  }
  if (locked < 0) return failed(ErrorClass::kRetryable, index_path(), "cannot be locked", locked);
  return {};
}

u64 Directory::removed_number(int fd, u64 line) {
  u64 untrusted = 0;
  const i64 got = os::pread_all(io_, fd, &untrusted, sizeof untrusted, (line - 1) * 8);
  return got == 8 && untrusted <= kNumberMax ? untrusted : 0;
}

Claim Directory::claim_of(u64 line) {
  Claim claim{line, lines_[line - 1].stem, finished_[lines_[line - 1].stem]};
  const int fd = io_.open(numbers_path().c_str(), os::kRead);
  if (fd < 0) return claim;  // none was ever removed
  claim.finished = std::max(claim.finished, removed_number(fd, line));
  io_.close(fd);
  return claim;
}

// The lock of the line is taken under that of byte 0: who holds byte 0 knows that every stream is
// claimed or not.
Result<Claim> Directory::claim(std::string_view name) {
  if (name.empty()) return fatal("a stream needs a name");
  const std::scoped_lock lock(mutex_);
  Claim claim;
  Status status = with_lines([&]() -> Status {
    const Result<u64> line = line_of(name);
    if (!line.ok()) return line.status();
    if (Status locked = lock_line(line.value()); !locked.ok()) return locked;
    claim = claim_of(line.value());
    claimed_.insert(claim.line);
    return {};
  });
  if (!status.ok()) return status;
  return claim;
}

Result<std::vector<Directory::Line>> Directory::streams() {
  const std::scoped_lock lock(mutex_);
  if (Status status = with_lines([] { return Status(); }); !status.ok()) return status;
  return lines_;
}

Status Directory::for_unwritten(const std::function<void(Claim&)>& each) {
  const std::scoped_lock lock(mutex_);
  return with_lines([&]() -> Status {
    for (u64 line = 1; line <= lines_.size(); ++line) {
      const std::string& stem = lines_[line - 1].stem;
      if (stem.empty() ||
          !(exists(io_, path_ + "/" + stem + ".log") || KeptMemory::is_left({id_, line}))) {
        continue;
      }
      const Status locked = lock_line(line);
      if (locked.os_error() == EAGAIN) continue;
      if (!locked.ok()) return locked;
      Claim claim = claim_of(line);
      each(claim);
      finished_[stem] = claim.finished;
      io_.unlock(fd_, line);
    }
    return {};
  });
}

Status Directory::note_removed(std::string_view stem, u64 number) {
  const std::scoped_lock lock(mutex_);
  return with_lines([&]() -> Status {
    const auto found = std::find_if(lines_.begin(), lines_.end(),
                                    [&](const Line& known) { return known.stem == stem; });
    if (found == lines_.end()) return {};
    const u64 line = u64(found - lines_.begin()) + 1;
    const int fd = io_.open(numbers_path().c_str(), os::kRead | os::kWrite | os::kCreate);
    if (fd < 0) return failed(ErrorClass::kRetryable, numbers_path(), "cannot be opened", fd);
    i64 written = 8;
    if (removed_number(fd, line) < number) {
      written = os::pwrite_all(io_, fd, &number, sizeof number, (line - 1) * 8);
    }
    io_.close(fd);
    if (written == 8) return {};
    return failed(ErrorClass::kRetryable, numbers_path(), "cannot be written", int(written));
  });
}

void Directory::release(const Claim& claim) {
  const std::scoped_lock lock(mutex_);
  finished_[claim.stem] = claim.finished;
  claimed_.erase(claim.line);
  io_.unlock(fd_, claim.line);
}

}  // namespace sluice::stream
