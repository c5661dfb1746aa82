#include "sink/shared_log.h"

#include <algorithm>
#include <cerrno>

#include "base/crc32c.h"
#include "os/os_error.h"
#include "os/process.h"
#include "sink/rotation_time.h"

namespace sluice::sink {
namespace {

constexpr i64 kReplacementPauseFirstNs = 1'000'000'000;
constexpr i64 kReplacementPauseMaxNs = 60'000'000'000;
// How late a clock that was set, or a machine that slept, may make an idle log rotate.
constexpr i64 kUpkeepPauseMaxNs = 60'000'000'000;

WriteNote note_of(const Writer& writer, const IntentPlace& place) {
  WriteNote note{};
  note.writer = writer;
  note.attempt = place.attempt;
  note.file = place.file;
  note.start = place.start;
  note.bytes = place.bytes;
  return note;
}

u64 count_lines(std::string_view text) { return u64(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

SharedLog::SharedLog(os::Io& io, const SharedLogOptions& options)
    : io_(io),
      options_(options),
      lock_(io, FileName(options.path).lock_path()),
      file_(io, FileName(options.path)),
      due_ns_(options.rotation.never() ? kNever : 0),
      expires_ns_(kNever),
      packer_(io, file_.name()),
      next_pack_ns_(options.compress ? 0 : kNever) {}

// ---- taking the lock ----

Status SharedLog::begin() {
  Status status = lock_.acquire();
  if (status.os_error() == ENOENT) {
    const int error = make_directories(io_, file_.name().directory());
    if (error < 0) {
      return failed(class_of_open_error(error), file_.name().directory(),
                    "cannot make the directory", error);
    }
    status = lock_.acquire();
  }
  if (!status.ok()) return status;
  const Result<std::optional<WriteNote>> note = lock_.note();
  status = note.status();
  if (status.ok() && note.value()) status = settle(*note.value());
  if (status.ok()) status = ready();
  if (!status.ok()) lock_.release();
  return status;
}

// Without the file there is nothing to cut and nothing to know: its writer finds no settled note.
Status SharedLog::settle(WriteNote note) {
  OpenFile found;
  const int error = file_.find(note.file, found);
  if (error < 0 && error != -ENOENT) {
    return failed(ErrorClass::kRetryable, path(), "cannot look at an interrupted write", error);
  }
  if (error == 0) {
    const i64 kept = cut_torn_line(io_, found.fd(), note.start, note.bytes);
    if (kept < 0) {
      return failed(ErrorClass::kRetryable, path(), "cannot cut a torn line", int(kept));
    }
    note.kept = u64(kept);
    Status status = lock_.add_settled(note);
    if (!status.ok()) return status;
  }
  return lock_.clear_note();
}

Status SharedLog::ready() {
  Status status = open();
  if (status.ok()) status = replace_spoiled();
  if (status.ok() && write_again_) status = write_again();
  return status;
}

Status SharedLog::open() {
  Status status = file_.open_current();
  sync_former();
  return status;
}

// A file that we did not leave so may end in half a line of somebody's who takes no lock. It is not
// ours to cut.
Status SharedLog::end_line() {
  if (file_.size() == end_) return {};
  char last = '\n';
  i64 result = 1;
  if (file_.size() > 0) result = os::pread_all(io_, file_.fd(), &last, 1, file_.size() - 1);
  if (result == 1 && last != '\n') {
    result = os::pwrite_all(io_, file_.fd(), "\n", 1, file_.size());
    if (result == 1) file_.grew(1);
  }
  if (result < 0) {
    return failed(ErrorClass::kRetryable, path(), "cannot end its last line", int(result));
  }
  end_ = file_.size();
  return {};
}

// ---- writing ----

u64 SharedLog::fitting(std::string_view text) const {
  if (options_.rotate_bytes == 0) return text.size();
  const u64 room = options_.rotate_bytes - std::min(options_.rotate_bytes, file_.size());
  if (text.size() <= room) return text.size();
  const std::size_t newline = text.substr(0, room).rfind('\n');
  return newline == std::string_view::npos ? 0 : newline + 1;
}

Result<IntentPlace> SharedLog::next_place(std::string_view text) {
  Status ended = end_line();
  if (!ended.ok()) return ended;
  u64 bytes = is_due() ? 0 : fitting(text);
  if (bytes == 0 && file_.size() > 0) {
    Status status = rotate();
    if (!status.ok()) return status;
    if (!options_.rotation.never()) time_file(options_.unix_ns());
    bytes = file_.size() > 0 ? text.size() : fitting(text);  // it could not be rotated
  }
  if (bytes == 0) bytes = std::min(text.size(), text.find('\n') + 1);  // longer than a whole file
  return IntentPlace{.file = file_.id(), .start = file_.size(), .bytes = bytes};
}

// The note of the lock file; without one the file is as old as the file system has it.
i64 SharedLog::begin_of_file(i64 now) {
  const Result<std::optional<FileBegin>> noted = lock_.begin();
  const bool known = noted.ok() && noted.value() && noted.value()->file == file_.id();
  if (known) return noted.value()->unix_ns;
  return file_.size() == 0 ? now : file_.born_ns();
}

bool SharedLog::is_due() {
  if (options_.rotation.never()) return false;
  const i64 now = options_.unix_ns();
  time_file(now);
  return now >= due_ns_;
}

// A file begins with its first line. One that began later than now did so before the clock was set
// back: it begins anew, or it would wait until the clock has come there again.
void SharedLog::time_file(i64 now) {
  const bool other = file_.id() != timed_file_;
  i64 began = other ? begin_of_file(now) : began_ns_;
  if (file_.size() == 0 || began > now) began = now;
  if (!other && began == began_ns_) return;
  timed_file_ = file_.id();
  began_ns_ = began;
  due_ns_ = options_.rotation.due_ns(began);
  // Else the next process asks the file system.
  (void)lock_.put_begin({.magic = 0, .crc = 0, .file = timed_file_, .unix_ns = began});
}

i64 SharedLog::upkeep() {
  const i64 for_time = keep_time(), for_packing = pack();
  if (for_time < 0 || for_packing < 0) return std::max(for_time, for_packing);
  return std::min(for_time, for_packing);
}

i64 SharedLog::keep_time() {
  if (options_.rotation.never() && options_.keep.seconds == 0) return -1;
  const i64 left = std::min(due_ns_, expires_ns_) - options_.unix_ns();
  if (left > 0) return std::min(left, kUpkeepPauseMaxNs);
  const Hold hold(*this);
  if (!hold.status().ok()) return kUpkeepPauseMaxNs;
  if (is_due()) (void)rotate();
  if (expires_ns_ <= options_.unix_ns()) prune();
  return kUpkeepPauseMaxNs;
}

// What another process has rotated is packed by that one, or by whoever starts next.
i64 SharedLog::pack() {
  if (!packer_.is_busy() && next_pack_ns_ == kNever) return -1;
  const i64 now = os::monotonic_ns();
  if (!packer_.is_busy() && now < next_pack_ns_) return next_pack_ns_ - now;
  const int error = pack_some();
  if (error == 1) return 0;
  if (error == 0) {
    packing_fails_ = false;
    next_pack_ns_ = kNever;
    return -1;
  }
  packer_.give_up();
  if (error != -EAGAIN && !packing_fails_) {
    report_ = failed(ErrorClass::kRetryable, packer_.path(), "stays as it is, not packed", error)
                  .message();
    packing_fails_ = true;
  }
  next_pack_ns_ = now + kUpkeepPauseMaxNs;
  return kUpkeepPauseMaxNs;
}

// 1: there is more to do, 0: all is packed.
int SharedLog::pack_some() {
  if (packer_.is_busy()) {
    const int error = packer_.step();
    if (error != 0) return error;
  }
  const Hold hold(*this);
  if (!hold.status().ok()) return -EAGAIN;
  if (packer_.is_busy()) {
    const int error = packer_.finish();
    return error >= 0 || error == -ENOENT ? 1 : error;
  }
  const std::optional<u64> next = file_.next_to_pack(lock_);
  if (!next) return 0;
  const int error = packer_.begin(*next);
  return error >= 0 || error == -ENOENT ? 1 : error;
}

// Goes on in the old file when its name cannot be changed.
Status SharedLog::rotate() {
  const int error = file_.rotate(lock_);
  if (error < 0 && !rotation_fails_) {
    report_ =
        failed(ErrorClass::kRetryable, path(), "cannot be rotated and grows", error).message();
  }
  rotation_fails_ = error < 0;
  Status status = open();
  if (error >= 0 && options_.compress) next_pack_ns_ = std::min(next_pack_ns_, os::monotonic_ns());
  if (status.ok() && error >= 0) prune();
  if (status.ok() && write_again_) status = write_again();
  return status;
}

void SharedLog::prune() {
  const i64 now = options_.unix_ns();
  const Status status = file_.prune(options_.keep, now, lock_, expires_ns_);
  if (!status.ok() && !pruning_fails_) report_ = status.message();
  pruning_fails_ = !status.ok();
  if (pruning_fails_) expires_ns_ = now + kUpkeepPauseMaxNs;
}

Status SharedLog::note(const IntentPlace& place) { return lock_.put_note(note_of(writer_, place)); }

Status SharedLog::write(const IntentPlace& place, std::string_view bytes) {
  const i64 written = os::pwrite_all(io_, file_.fd(), bytes.data(), bytes.size(), place.start);
  if (written == i64(bytes.size())) {
    file_.grew(bytes.size());
    end_ = file_.size();
    keep(bytes);
    return {};
  }
  ErrorClass error_class = class_of_write_error(int(written));
  if (error_class == ErrorClass::kRotate) {
    if (place.start > 0) {
      spoil();
    } else {
      error_class = ErrorClass::kRetryable;  // a new file would be no better than this empty one
    }
  }
  end_ = ~u64{0};
  // Best effort: the note is there for the next holder.
  (void)settle(note_of(writer_, place));
  return failed(error_class, path(), "cannot write", int(written));
}

void SharedLog::keep(std::string_view text) {
  undurable_ = true;
  // The first lines since the last sync are kept, not the last: a program that writes more than
  // that between two syncs pays for the copy only once.
  if (bytes_let_go_ > 0 || kept_.size() + text.size() > kKeptMax) {
    bytes_let_go_ += text.size();
  } else {
    kept_ += text;
  }
}

// ---- interrupted writes ----

Result<std::optional<u64>> SharedLog::settled(const IntentPlace& place) {
  const Result<std::optional<WriteNote>> found = lock_.find_settled(writer_, place.attempt);
  if (!found.ok()) return found.status();
  if (!found.value()) return std::optional<u64>();
  return std::optional<u64>(std::min(found.value()->kept, place.bytes));
}

Result<std::optional<u64>> SharedLog::compare(const IntentPlace& place, std::string_view text,
                                              u32 crc) {
  OpenFile found;
  const int error = file_.find(place.file, found);
  if (error == -ENOENT) return std::optional<u64>();
  const i64 kept = error < 0 ? error : cut_torn_line(io_, found.fd(), place.start, place.bytes);
  if (kept < 0) {
    return failed(ErrorClass::kRetryable, path(), "cannot compare an interrupted write", int(kept));
  }
  std::string there(std::size_t(kept), '\0');
  const i64 got = os::pread_all(io_, found.fd(), there.data(), there.size(), place.start);
  if (got < 0) {
    return failed(ErrorClass::kRetryable, path(), "cannot compare an interrupted write", int(got));
  }
  there.resize(std::size_t(got));
  const Status looked = open();  // what was cut may be the current file
  if (!looked.ok()) return looked;
  if (text.empty()) {
    const bool same = there.size() == place.bytes && crc32c(there.data(), there.size()) == crc;
    return std::optional<u64>(same ? place.bytes : 0);
  }
  const auto differs = std::mismatch(there.begin(), there.end(), text.begin(), text.end());
  const std::string_view common(there.data(), std::size_t(differs.first - there.begin()));
  return std::optional<u64>(common.rfind('\n') + 1);  // npos + 1 is 0
}

// ---- durability, and files that are finished by an error ----

Status SharedLog::sync() {
  if (file_.names_changed()) {
    const int error = io_.sync_directory(file_.name().directory().c_str());
    if (error < 0 && error != -EINVAL) {  // some file systems have no such thing
      return failed(ErrorClass::kRetryable, file_.name().directory(), "cannot sync", error);
    }
    file_.names_are_durable();
  }
  if (!undurable_) return {};
  if (!write_again_ && file_.fd() >= 0) {
    const int error = io_.sync_data(file_.fd());
    if (error == -EINTR) return failed(ErrorClass::kRetryable, path(), "cannot sync", error);
    if (error >= 0) {
      undurable_ = false;
      bytes_let_go_ = 0;
      kept_.clear();
      replacement_pause_ns_ = 0;
      return {};
    }
    spoil();
    sync_failed(error);
  }
  const Hold hold(*this);
  if (!hold.status().ok()) return hold.status();
  std::string report = take_report();
  if (report.empty()) report = path() + ": waits before it is replaced: the disk fails";
  return {ErrorClass::kRotate, std::move(report), EIO};
}

void SharedLog::spoil() {
  spoiled_ = true;
  spoiled_file_ = file_.id();
}

void SharedLog::sync_failed(int error) {
  write_again_ = true;
  report_ = failed(ErrorClass::kRotate, path(), "sync failed", error).message() + "; " +
            std::to_string(count_lines(kept_)) + " lines are written again to a new file";
  if (bytes_let_go_ > 0) {
    report_ += "; " + std::to_string(bytes_let_go_) +
               " bytes of later ones may be lost if power fails, and are held no more";
  }
  bytes_let_go_ = 0;
}

void SharedLog::sync_former() {
  const OpenFile former = file_.take_former();
  if (!former.is_open() || !undurable_ || write_again_) return;
  int error = -EINTR;
  while (error == -EINTR) error = io_.sync_data(former.fd());
  if (error < 0) return sync_failed(error);
  undurable_ = false;
  bytes_let_go_ = 0;
  kept_.clear();
}

Status SharedLog::replace_spoiled() {
  if (!spoiled_) return {};
  const bool gone = file_.id() != spoiled_file_;
  if (!gone && file_.size() > 0) {
    const i64 now = os::monotonic_ns();
    if (now < next_replacement_ns_) return {};
    replacement_pause_ns_ =
        std::clamp(2 * replacement_pause_ns_, kReplacementPauseFirstNs, kReplacementPauseMaxNs);
    next_replacement_ns_ = now + replacement_pause_ns_;
    Status status = rotate();
    if (!status.ok()) return status;
    if (file_.id() == spoiled_file_) return {};
  }
  spoiled_ = false;
  return {};
}

// Until the spoiled file has been replaced there is nowhere to write to.
Status SharedLog::write_again() {
  if (spoiled_) return {};
  if (kept_.empty()) {
    write_again_ = false;
    return {};
  }
  Status status = end_line();
  if (!status.ok()) return status;
  const IntentPlace place{.attempt = ++again_attempt_,
                          .file = file_.id(),
                          .start = file_.size(),
                          .bytes = kept_.size()};
  status = note(place);
  if (!status.ok()) return status;
  const std::string lines = std::exchange(kept_, {});
  status = write(place, lines);
  if (!status.ok()) {
    kept_ = lines;
    return status;
  }
  clear_note();
  write_again_ = false;
  return {};
}

}  // namespace sluice::sink
