// Parameters, tags, tracks and files of a run, by names known at run time.
#include "sluice/run.h"

#include <cerrno>
#include <vector>

#include "base/crc32c.h"
#include "os/io.h"
#include "os/os_error.h"
#include "os/path.h"
#include "os/process.h"
#include "record/escape.h"

namespace sluice {
inline namespace v1 {
namespace {

using detail::RecordKind;

constexpr std::size_t kPieceBytes = 256 * 1024;

std::string in_quotes(std::string_view path) { return '"' + escaped(TextForm::kText, path) + '"'; }

Status failed(const std::string& path, std::string_view what, int error) {
  return {error == -ENOSPC || error == -EDQUOT ? ErrorClass::kRetryable : ErrorClass::kFatal,
          in_quotes(path) + " " + std::string(what) + ": " + os::error_text(error), -error};
}

// A descriptor, closed in the end.
class File {
 public:
  File(const std::string& path, u32 flags) : fd_(os::real_io().open(path.c_str(), flags)) {}
  ~File() {
    if (fd_ >= 0) os::real_io().close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  const int fd_;
};

struct Copied {
  u64 bytes = 0;
  u32 crc32c = 0;
};

// What `from` has up to its end, into a new file at `path`, to the disk.
Status copy_into(const File& from, const std::string& original, const std::string& path,
                 Copied& copied) {
  os::Io& io = os::real_io();
  const File to(path, os::kWrite | os::kCreate | os::kExclusive);
  if (to.fd() < 0) return failed(path, "cannot be made", to.fd());
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const i64 read = os::pread_all(io, from.fd(), piece.data(), piece.size(), copied.bytes);
    if (read < 0) return failed(original, "cannot be read", int(read));
    if (read == 0) break;
    const i64 written = os::pwrite_all(io, to.fd(), piece.data(), std::size_t(read), copied.bytes);
    if (written != read) {
      return failed(path, "cannot be written", written < 0 ? int(written) : -ENOSPC);
    }
    copied.crc32c = crc32c(piece.data(), std::size_t(read), copied.crc32c);
    copied.bytes += u64(read);
  }
  const int synced = io.sync_data(to.fd());
  return synced == 0 ? Status() : failed(path, "cannot be brought to the disk", synced);
}

Status make_copy(const File& from, const std::string& original, const std::string& directory,
                 const std::string& path, Copied& copied) {
  os::Io& io = os::real_io();
  u64 unique;
  os::random_bytes(&unique, sizeof unique);
  const std::string partial = path + ".partial-" + std::to_string(unique);
  Status status = copy_into(from, original, partial, copied);
  if (status.ok()) {
    int error = io.rename(partial.c_str(), path.c_str());
    if (error == 0) error = io.sync_directory(directory.c_str());
    if (error != 0) status = failed(path, "cannot be made", error);
  }
  if (!status.ok()) (void)io.unlink(partial.c_str());
  return status;
}

}  // namespace

Admission track(std::string_view topic, std::string_view fields_json) noexcept {
  static constexpr detail::SiteText text = detail::named_at_run_time(RecordKind::kTrack);
  static constinit detail::CallSite site{Level::info, RecordKind::kTrack};
  return detail::call(site, text, 0, topic, Json{fields_json});
}

Admission track(std::string_view topic, Timestamp time, std::string_view fields_json) noexcept {
  static constexpr detail::SiteText text = detail::named_at_run_time(RecordKind::kTrack);
  static constinit detail::CallSite site{Level::info, RecordKind::kTrack};
  return detail::call(site, text, 0, topic, kv("timestamp", time), Json{fields_json});
}

Admission tags(std::initializer_list<std::string_view> all) noexcept {
  std::string list = "[";
  for (const std::string_view tag : all) {
    if (list.size() > 1) list += ',';
    list.append(1, '"').append(escaped(TextForm::kJson, tag)).append(1, '"');
  }
  return param("tags", Json{list += ']'});
}

Status attach_file(const std::string& path, const AttachOptions& options) {
  os::Io& io = os::real_io();
  const std::string whole = os::absolute_path(path);
  const std::string name = options.name.empty() ? whole.substr(whole.rfind('/') + 1) : options.name;
  if (name.empty() || (!options.copy_to.empty() &&
                       (name.find('/') != std::string::npos || name == "." || name == ".."))) {
    return {ErrorClass::kFatal,
            in_quotes(name) +
                " is no name for a file that is copied: name a file, and give it a "
                "name without \"/\""};
  }
  const File file(whole, os::kRead | os::kFollow);
  os::FileInfo info;
  if (file.fd() < 0) return failed(whole, "cannot be attached", file.fd());
  if (const int error = io.stat_fd(file.fd(), info); error != 0) {
    return failed(whole, "cannot be attached", error);
  }
  if (!info.regular) {
    return {ErrorClass::kFatal, in_quotes(whole) + " is no ordinary file; name one"};
  }
  const Timestamp modified{info.modified_ns};
  static constexpr detail::SiteText text = detail::named_at_run_time(RecordKind::kFile);
  if (options.copy_to.empty()) {
    static constinit detail::CallSite site{Level::info, RecordKind::kFile};
    (void)detail::call(site, text, 0, name, kv("path", whole), kv("bytes", info.size),
                       kv("modified", modified));
    return {};
  }
  const std::string directory = os::absolute_path(options.copy_to);
  const std::string copy = directory + "/" + name;
  Copied copied;
  const Status status = make_copy(file, whole, directory, copy, copied);
  if (!status.ok()) return status;
  static constinit detail::CallSite site{Level::info, RecordKind::kFile};
  (void)detail::call(site, text, 0, name, kv("path", whole), kv("bytes", copied.bytes),
                     kv("modified", modified), kv("copy", copy), kv("crc32c", copied.crc32c));
  return {};
}

}  // namespace v1
}  // namespace sluice
