#include "cli/new_file.h"

#include <cerrno>

#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

}  // namespace

NewFile::NewFile(std::string path, bool force)
    : path_(std::move(path)),
      force_(force),
      temporary_(path_ + ".partial-" + std::to_string(os::process_id())) {}

NewFile::~NewFile() {
  os::Io& io = os::real_io();
  if (fd_ >= 0) io.close(fd_);
  if (committed_) return;
  for (const char* const suffix : {"", "-journal", "-wal", "-shm"}) {
    (void)io.unlink((temporary_ + suffix).c_str());
  }
}

void NewFile::check(std::string_view option, std::vector<std::string>& mistakes) const {
  os::Io& io = os::real_io();
  os::FileInfo info;
  const std::string name = std::string(option) + ": " + in_quotes(path_);
  if (io.stat(path_.c_str(), info) == 0) {
    if (info.directory) {
      mistakes.push_back(name + " is a directory; name a file in it");
    } else if (!info.regular) {
      mistakes.push_back(name + " is no ordinary file; name another");
    } else if (!force_) {
      mistakes.push_back(name + " is there already; name another, or say --force to replace it");
    }
    return;
  }
  const auto slash = path_.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  if (const int error = os::may_write(directory.c_str()); error != 0) {
    mistakes.push_back(name + " cannot be made: " + os::error_text(error) +
                       "; check its directory and whose it is");
  }
}

Status NewFile::failed(std::string_view what, int error) const {
  return {ErrorClass::kRetryable,
          in_quotes(path_) + " " + std::string(what) + ": " + os::error_text(error), -error};
}

Status NewFile::open() {
  fd_ = os::real_io().open(temporary_.c_str(), os::kWrite | os::kCreate | os::kExclusive);
  return fd_ < 0 ? failed("cannot be made", fd_) : Status();
}

Status NewFile::write(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? Status() : write_out();
}

Status NewFile::write_out() {
  const i64 done = os::pwrite_all(os::real_io(), fd_, buffer_.data(), buffer_.size(), offset_);
  if (done < 0) return failed("cannot be written", int(done));
  offset_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status NewFile::commit() {
  os::Io& io = os::real_io();
  if (fd_ >= 0) {
    const Status status = write_out();
    if (!status.ok()) return status;
  }
  const int fd = fd_ >= 0 ? fd_ : io.open(temporary_.c_str(), os::kRead | os::kWrite);
  if (fd < 0) return failed("cannot be opened", fd);
  fd_ = fd;
  if (const int error = io.sync_data(fd); error < 0) return failed("cannot be synced", error);
  os::FileInfo info;
  // It may have come meanwhile.
  if (!force_ && io.stat(path_.c_str(), info) == 0) return failed("cannot be made", -EEXIST);
  if (const int error = io.rename(temporary_.c_str(), path_.c_str()); error < 0) {
    return failed("cannot be renamed to", error);
  }
  committed_ = true;
  const auto slash = path_.rfind('/');
  (void)io.sync_directory(slash == std::string::npos ? "." : path_.substr(0, slash + 1).c_str());
  return {};
}

}  // namespace sluice::cli
