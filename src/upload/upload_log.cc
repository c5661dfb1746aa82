#include "upload/upload_log.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <set>
#include <tuple>

#include "base/crc32c.h"
#include "os/os_error.h"
#include "stream/names.h"

namespace sluice::upload {
namespace {

using stream::percent_decoded;
using stream::percent_encoded;

constexpr std::string_view kFormat = "sluice-upload-log ";
constexpr std::string_view kHead = "sluice-upload-log 1";
constexpr char kNewName[] = ".upload.new";
constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kLineBytesMax = 1 << 20;
constexpr u64 kReserveBytes = 64 * 1024;  // so that a full disk can still be emptied
constexpr u64 kLinesMin = 1000;           // fewer are not worth a new file
constexpr std::size_t kCrcDigits = 8;

// The directories whose log this process holds: the kernel's lock keeps out other processes only,
// and closing a second descriptor would give it up. Never destroyed, as with stream directories.
struct Held {
  std::mutex mutex;
  std::set<std::tuple<u32, u64, u64>> places;  // forks, device, inode
};
Held& held() {
  static auto* const all = new Held;
  return *all;
}

std::string crc_text(std::string_view payload) {
  u32 crc = crc32c(payload.data(), payload.size());
  std::string text(kCrcDigits, '0');
  for (std::size_t i = kCrcDigits; i-- > 0; crc >>= 4) text[i] = "0123456789abcdef"[crc & 15];
  return text;
}

std::string line_of(std::string_view payload) {
  return crc_text(payload) + " " + std::string(payload) + "\n";
}

std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    fields.push_back(text.substr(0, blank));
    if (blank == text.size()) return fields;
    text.remove_prefix(blank + 1);
  }
}

template <class T>
bool read_number(std::string_view text, T& to) {
  const char* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, to) == std::from_chars_result{end, std::errc{}};
}

SentBytes bytes_of(const LocalFile& file) { return {file.size, file.crc32c}; }

std::string begin_payload(const std::string& object, const LocalFile& file, SentBytes bytes) {
  const bool as_it_is = bytes == bytes_of(file);
  return "begin " + percent_encoded(object) + " " + percent_encoded(file.name) + " " +
         std::to_string(file.id.device) + " " + std::to_string(file.id.inode) + " " +
         std::to_string(file.id.born_ns) + " " + std::to_string(file.size) + " " +
         std::to_string(file.modified_ns) + " " + std::to_string(file.crc32c) +
         (as_it_is ? std::string()
                   : " " + std::to_string(bytes.size) + " " + std::to_string(bytes.crc32c));
}
std::string memo_payload(const std::string& object, std::string_view memo) {
  return "memo " + percent_encoded(object) + " " + percent_encoded(memo);
}
std::string done_payload(const std::string& object) { return "done " + percent_encoded(object); }

struct ReadLog {
  LogLines known;
  u64 whole_bytes = 0;  // up to the last newline
  u64 lines = 0;
  u64 damaged = 0;
  int error = 0;
};

ReadLog read_log(os::Io& io, int fd) {
  ReadLog log;
  std::string rest;
  std::string buffer(kReadBytes, '\0');
  for (u64 at = 0;;) {
    const i64 got = os::pread_all(io, fd, buffer.data(), buffer.size(), at);
    if (got < 0) log.error = int(got);
    if (got <= 0) return log;
    at += u64(got);
    rest.append(buffer, 0, std::size_t(got));
    std::size_t from = 0;
    for (std::size_t end; (end = rest.find('\n', from)) != std::string::npos; from = end + 1) {
      ++log.lines;
      if (!log.known.add(std::string_view(rest).substr(from, end - from))) ++log.damaged;
      log.whole_bytes += end + 1 - from;
    }
    rest.erase(0, from);
    if (rest.size() > kLineBytesMax) {
      // No line of ours: it is passed over, up to the next newline.
      log.whole_bytes += rest.size();
      rest.clear();
    }
  }
}

}  // namespace

bool LogLines::begin(const std::vector<std::string_view>& untrusted) {
  Entry entry;
  entry.file.name = percent_decoded(untrusted[2]);
  const bool good = read_number(untrusted[3], entry.file.id.device) &&
                    read_number(untrusted[4], entry.file.id.inode) &&
                    read_number(untrusted[5], entry.file.id.born_ns) &&
                    read_number(untrusted[6], entry.file.size) &&
                    read_number(untrusted[7], entry.file.modified_ns) &&
                    read_number(untrusted[8], entry.file.crc32c);
  entry.bytes = bytes_of(entry.file);
  const bool sent = untrusted.size() == 9 || (read_number(untrusted[9], entry.bytes.size) &&
                                              read_number(untrusted[10], entry.bytes.crc32c));
  const bool plain = !entry.file.name.empty() && entry.file.name.find('/') == std::string::npos;
  if (good && sent && plain) entries_[percent_decoded(untrusted[1])] = std::move(entry);
  return good && sent && plain;
}

bool LogLines::add(std::string_view untrusted) {
  if (untrusted.size() <= kCrcDigits || untrusted[kCrcDigits] != ' ') return false;
  const std::string_view payload = untrusted.substr(kCrcDigits + 1);
  if (crc_text(payload) != untrusted.substr(0, kCrcDigits)) return false;
  if (payload.starts_with(kFormat)) return later_ |= payload != kHead, true;
  const std::vector<std::string_view> fields = fields_of(payload);
  if (fields[0] == "begin" && (fields.size() == 9 || fields.size() == 11)) return begin(fields);
  if (fields.size() < 2) return false;
  const std::string object = percent_decoded(fields[1]);
  if (fields[0] == "gone" && fields.size() == 2) return entries_.erase(object), true;
  const auto found = entries_.find(object);
  const bool memo = fields[0] == "memo" && fields.size() == 3;
  if (!memo && !(fields[0] == "done" && fields.size() == 2)) return false;
  if (found == entries_.end() || (memo && found->second.done)) return false;
  if (memo) {
    found->second.memo = percent_decoded(fields[2]);
  } else {
    found->second.done = true;
    found->second.memo.clear();
  }
  return true;
}

UploadLog::UploadLog(os::Io& io, std::string directory, Place place)
    : io_(io), directory_(std::move(directory)), place_(place) {}

UploadLog::~UploadLog() {
  if (forks_ != stream::Forks::count()) return;  // the child's descriptors are closed
  const std::scoped_lock lock(held().mutex);
  if (fd_ >= 0) io_.close(fd_);
  held().places.erase({forks_, place_.first, place_.second});
}

Status UploadLog::problem(std::string_view what, int error) const {
  return failed(ErrorClass::kRetryable, path(), what, error);
}

Result<std::unique_ptr<UploadLog>> UploadLog::open(os::Io& io, const std::string& directory) {
  stream::Forks::watch();
  os::FileInfo info;
  const int stated = io.stat_followed(directory.c_str(), info);
  if (stated < 0 || !info.directory) {
    return failed(ErrorClass::kFatal, directory, "cannot look into it",
                  stated < 0 ? stated : -ENOTDIR);
  }
  const Place place{info.device, info.inode};
  {
    const std::scoped_lock lock(held().mutex);
    if (!held().places.insert({stream::Forks::count(), place.first, place.second}).second) {
      return Status(ErrorClass::kRetryable,
                    directory + ": this program has an uploader for it already", EAGAIN);
    }
  }
  std::unique_ptr<UploadLog> log(new UploadLog(io, directory, place));
  if (Status status = log->take(); !status.ok()) return status;
  if (Status status = log->read(); !status.ok()) return status;
  return log;
}

// Opens and locks the file that the path names, also where another has just written it anew.
Status UploadLog::take() {
  for (;;) {
    fd_ = io_.open(path().c_str(), os::kRead | os::kWrite | os::kCreate);
    if (fd_ < 0) return failed(ErrorClass::kFatal, path(), "cannot be opened", fd_);
    os::FileInfo file;
    if (const int error = io_.stat_fd(fd_, file); error < 0) {
      return problem("cannot look at the file", error);
    }
    if (!file.regular) return fatal(path() + ": stands in the way, and is no file");
    if (Status owner = check_owner(path(), file); !owner.ok()) return owner;
    const int locked = io_.lock(fd_, 0, false);
    if (locked == -EAGAIN) {
      return {ErrorClass::kRetryable,
              directory_ + ": another program uploads from here; stop it first", EAGAIN};
    }
    if (locked < 0) return problem("cannot be locked", locked);
    os::FileInfo named;
    if (io_.stat(path().c_str(), named) == 0 && named.id() == file.id()) return {};
    io_.close(fd_);
    fd_ = -1;
  }
}

Status UploadLog::read() {
  ReadLog log = read_log(io_, fd_);
  if (log.error < 0) return problem("cannot be read", log.error);
  if (log.known.later())
    return fatal(path() + ": a later version of sluice wrote it; use that one");
  known_ = std::move(log.known);
  lines_ = log.lines;
  damaged_lines_ = log.damaged;
  size_ = log.whole_bytes;
  if (const int error = io_.truncate(fd_, size_); error < 0) {
    return problem("cannot cut a torn line", error);
  }
  return size_ == 0 ? append(kHead, false) : Status();
}

LogLines::Entries UploadLog::peek(os::Io& io, const std::string& directory) {
  const int fd = io.open((directory + "/" + kLogName).c_str(), os::kRead);
  if (fd < 0) return {};
  ReadLog log = read_log(io, fd);
  io.close(fd);
  return std::move(log.known.entries());
}

Status UploadLog::append(std::string_view payload, bool durable) {
  if (size_ + kReserveBytes / 2 > reserved_) {
    // A hint: where it is not possible, the file grows as any other.
    (void)io_.allocate_beyond(fd_, 0, size_ + kReserveBytes);
    reserved_ = size_ + kReserveBytes;
  }
  const std::string line = line_of(payload);
  const i64 done = os::pwrite_all(io_, fd_, line.data(), line.size(), size_);
  if (done < 0) {
    (void)io_.truncate(fd_, size_);  // what is left of the line is cut at the next start otherwise
    return problem("cannot be written", int(done));
  }
  size_ += line.size();
  ++lines_;
  const int error = durable ? io_.sync_data(fd_) : 0;
  return error < 0 ? problem("cannot be synced", error) : Status();
}

Status UploadLog::check() const {
  const std::scoped_lock lock(mutex_);
  os::FileInfo file, named;
  const bool same = io_.stat_fd(fd_, file) == 0 && io_.stat(path().c_str(), named) == 0 &&
                    named.id() == file.id();
  if (same) return {};
  return Status(ErrorClass::kRetryable,
                path() + ": is not there any more, or is another file; start the uploader again");
}

std::optional<Entry> UploadLog::find(std::string_view object) const {
  const std::scoped_lock lock(mutex_);
  const auto found = known_.entries().find(object);
  if (found == known_.entries().end()) return {};
  return found->second;
}

std::vector<std::pair<std::string, Entry>> UploadLog::entries() const {
  const std::scoped_lock lock(mutex_);
  return {known_.entries().begin(), known_.entries().end()};
}

Status UploadLog::begin(const std::string& object, const LocalFile& file,
                        std::optional<SentBytes> bytes) {
  const SentBytes sent = bytes.value_or(bytes_of(file));
  const std::scoped_lock lock(mutex_);
  if (Status status = append(begin_payload(object, file, sent), false); !status.ok()) return status;
  known_.entries()[object] = {file, sent, {}, false};
  return {};
}

Status UploadLog::keep_memo(const std::string& object, std::string_view memo) {
  const std::scoped_lock lock(mutex_);
  if (Status status = append(memo_payload(object, memo), true); !status.ok()) return status;
  known_.entries()[object].memo = memo;
  return {};
}

Status UploadLog::done(const std::string& object) {
  const std::scoped_lock lock(mutex_);
  if (Status status = append(done_payload(object), true); !status.ok()) return status;
  Entry& entry = known_.entries()[object];
  entry.done = true;
  entry.memo.clear();
  return {};
}

Status UploadLog::forget(const std::string& object) {
  const std::scoped_lock lock(mutex_);
  if (Status status = append("gone " + percent_encoded(object), false); !status.ok()) return status;
  known_.entries().erase(object);
  if (lines_ < kLinesMin || lines_ < 8 * (known_.entries().size() + 1)) return {};
  (void)write_anew();  // where that fails, the old one is as true, and the next call tries again
  return {};
}

// The new file is locked before it has the name: nobody gets in between.
Status UploadLog::write_anew() {
  std::string text = line_of(kHead);
  u64 lines = 1;
  for (const auto& [object, entry] : known_.entries()) {
    text += line_of(begin_payload(object, entry.file, entry.bytes));
    if (!entry.memo.empty()) text += line_of(memo_payload(object, entry.memo));
    if (entry.done) text += line_of(done_payload(object));
    lines += 1 + u64{!entry.memo.empty()} + u64{entry.done};
  }
  const std::string fresh = directory_ + "/" + kNewName;
  (void)io_.unlink(fresh.c_str());  // of one that was killed here
  const int fd = io_.open(fresh.c_str(), os::kRead | os::kWrite | os::kCreate | os::kExclusive);
  if (fd < 0) return failed(ErrorClass::kRetryable, fresh, "cannot be made", fd);
  int error = io_.lock(fd, 0, false);
  if (error == 0)
    error = int(std::min<i64>(0, os::pwrite_all(io_, fd, text.data(), text.size(), 0)));
  if (error == 0) error = io_.sync_data(fd);
  if (error == 0) error = io_.rename(fresh.c_str(), path().c_str());
  if (error < 0) {
    io_.close(fd);
    return failed(ErrorClass::kRetryable, fresh, "cannot be written", error);
  }
  // Should it fail and the power too, the old one is back: what was done since is found out again.
  (void)io_.sync_directory(directory_.c_str());
  io_.close(fd_);
  fd_ = fd;
  size_ = text.size();
  reserved_ = 0;
  lines_ = lines;
  return {};
}

}  // namespace sluice::upload
