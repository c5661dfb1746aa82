#include "upload/directory_bucket.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "os/os_error.h"
#include "os/process.h"
#include "upload/file_crc.h"

namespace sluice::upload {
namespace {

constexpr std::string_view kPartName = ".sluice-upload-";
constexpr std::size_t kMemoDigits = 16;

std::string new_memo() {
  u64 bits = 0;
  os::random_bytes(&bits, sizeof bits);
  std::string memo(kMemoDigits, '0');
  for (char& digit : memo) {
    digit = "0123456789abcdef"[bits & 15];
    bits >>= 4;
  }
  return memo;
}

bool is_memo(std::string_view text) {
  return text.size() == kMemoDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Attempt ended(Outcome outcome, std::string why = {}) {
  Attempt attempt;
  attempt.outcome = outcome;
  attempt.why = std::move(why);
  return attempt;
}

Attempt because(const std::string& path, std::string_view what, int error) {
  const bool hopeless = class_of_open_error(error) == ErrorClass::kDisableSink;
  return ended(hopeless ? Outcome::kRefused : Outcome::kRetry,
               failed(ErrorClass::kRetryable, path, what, error).message());
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

DirectoryBucket::DirectoryBucket(os::Io& io, std::string directory)
    : io_(io), directory_(std::move(directory)) {}

std::string DirectoryBucket::path_of(const std::string& name) const {
  return directory_ + "/" + name;
}

std::string DirectoryBucket::part_of(const std::string& name, std::string_view memo) const {
  if (!is_memo(memo)) return {};
  return folder_of(path_of(name)) + "/" + std::string(kPartName) + std::string(memo);
}

Attempt DirectoryBucket::put(const std::string& name, const Source& source, std::string_view memo,
                             const Progress& progress) {
  const std::string path = path_of(name);
  os::FileInfo there;
  if (io_.stat(path.c_str(), there) == 0) {
    return ended(Outcome::kExists, path + " is there");
  }
  if (const int error = make_directories(io_, folder_of(path)); error < 0) {
    return because(folder_of(path), "cannot make the directory", error);
  }
  std::string part = part_of(name, memo);
  if (part.empty()) {
    const std::string made = new_memo();
    if (progress.keep && !progress.keep(made)) {
      return ended(Outcome::kRetry, "what belongs to the attempt cannot be kept");
    }
    part = part_of(name, made);
  }
  Attempt attempt = fill(part, source, progress);
  if (attempt.outcome != Outcome::kStored) return attempt;
  const u64 sent = attempt.sent;
  attempt = publish(part, path);
  attempt.sent = sent;
  return attempt;
}

// kStored: the part has the bytes, on its disk.
Attempt DirectoryBucket::fill(const std::string& part, const Source& source,
                              const Progress& progress) {
  Attempt attempt;
  const int fd = io_.open(part.c_str(), os::kRead | os::kWrite | os::kCreate);
  if (fd < 0) return because(part, "cannot be opened", fd);
  struct Closer {
    os::Io& io;
    int fd;
    ~Closer() { io.close(fd); }
  } closer{io_, fd};
  os::FileInfo info;
  int error = io_.stat_fd(fd, info);
  if (error == 0 && info.size > source.size) error = io_.truncate(fd, info.size = 0);
  if (error < 0) return because(part, "cannot be gone on with", error);
  std::vector<char> piece(std::size_t(std::min<u64>(source.size, kPieceBytes)));
  const os::ReadAt read = source.reader();
  for (u64 at = info.size; at < source.size;) {
    if (progress.stop.stop_requested()) {
      attempt.outcome = Outcome::kStopped;
      return attempt;
    }
    const std::size_t wanted = std::size_t(std::min<u64>(source.size - at, piece.size()));
    const i64 got = read(piece.data(), wanted, at);
    if (got < i64(wanted)) {
      attempt.why = "the file cannot be read: " + os::error_text(got < 0 ? int(got) : -ENODATA);
      return attempt;
    }
    const i64 put = os::pwrite_all(io_, fd, piece.data(), wanted, at);
    if (put < 0) {
      // Half of it would take the room of smaller ones that do fit.
      if (put == -ENOSPC || put == -EDQUOT) (void)io_.unlink(part.c_str());
      Attempt failure = because(part, "cannot be written", int(put));
      failure.sent = attempt.sent;
      return failure;
    }
    at += wanted;
    attempt.sent += wanted;
    if (progress.at) progress.at(at);
  }
  error = io_.sync_data(fd);
  if (error < 0) {
    (void)io_.unlink(part.c_str());  // what it holds can not be trusted after that
    return because(part, "cannot be synced", error);
  }
  u32 crc = 0;
  error = crc_of_file(io_, fd, source.size, progress.stop, crc);
  if (error == -ECANCELED) {
    attempt.outcome = Outcome::kStopped;
  } else if (error < 0) {
    attempt.why = because(part, "cannot be read back", error).why;
  } else if (crc != source.crc32c) {
    (void)io_.unlink(part.c_str());
    attempt.why = part + ": what is there is not what was sent; it begins anew";
  } else {
    attempt.outcome = Outcome::kStored;
  }
  return attempt;
}

Attempt DirectoryBucket::publish(const std::string& part, const std::string& path) {
  int error = io_.rename_new(part.c_str(), path.c_str());
  if (error == -EEXIST) {
    (void)io_.unlink(part.c_str());
    return ended(Outcome::kExists, path + " is there");
  }
  if (error < 0) return because(path, "cannot be given its name", error);
  // The folders on the way may be new, too.
  for (std::string folder = folder_of(path); error == 0; folder = folder_of(folder)) {
    error = io_.sync_directory(folder.c_str());
    if (folder.size() <= directory_.size()) break;
  }
  if (error < 0) return because(path, "its directory cannot be synced", error);
  return ended(Outcome::kStored);
}

std::optional<Attempt> DirectoryBucket::same(const std::string& name, const Source& source) {
  const std::string path = path_of(name);
  const int fd = io_.open(path.c_str(), os::kRead);
  if (fd == -ENOENT) return {};
  if (fd < 0) return because(path, "cannot be opened", fd);
  os::FileInfo info, mine;
  int error = io_.stat_fd(fd, info);
  if (error == 0) error = io_.stat_fd(source.file, mine);
  u32 crc = 0;
  if (error == 0 && info.id() != mine.id() && info.size == source.size) {
    error = crc_of_file(io_, fd, source.size, {}, crc);
    // What a kill has kept from being synced.
    if (error == 0 && crc == source.crc32c) error = io_.sync_data(fd);
    if (error == 0) error = io_.sync_directory(folder_of(path).c_str());
  }
  io_.close(fd);
  if (error < 0) return because(path, "cannot be compared", error);
  if (info.id() == mine.id()) {
    return ended(Outcome::kRefused, path + " is the very file that is to be sent");
  }
  if (info.size == source.size && crc == source.crc32c) return ended(Outcome::kStored);
  return ended(Outcome::kExists,
               path + " is there, with " + std::to_string(info.size) + " bytes of other content");
}

Attempt DirectoryBucket::forget(const std::string& name, std::string_view memo) {
  const std::string part = part_of(name, memo);
  if (part.empty()) return ended(Outcome::kStored);
  const int error = io_.unlink(part.c_str());
  if (error < 0 && error != -ENOENT && error != -ENOTDIR) {
    return because(part, "cannot be removed", error);
  }
  return ended(Outcome::kStored);
}

}  // namespace sluice::upload
