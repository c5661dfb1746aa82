#include "segment/recover.h"

#include <cerrno>

#include "segment/dictionary_frames.h"

namespace sluice {
namespace {

class OpenFile {
 public:
  OpenFile(os::Io& io, int fd) : io_(io), fd_(fd) {}
  ~OpenFile() { io_.close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

 private:
  os::Io& io_;
  const int fd_;
};

Status failed(const std::string& path, const char* what, int error) {
  const bool passes = error == -ENOSPC || error == -EDQUOT || error == -EINTR || error == -EAGAIN;
  return {passes ? ErrorClass::kRetryable : ErrorClass::kFatal,
          path + ": " + what + ": " + os::error_text(error), -error};
}

std::vector<std::byte> make_seal(const SegmentIndex& index, u64 segment_id, u64 offset) {
  const std::vector<std::byte> run = encode_definition(*index.run());
  std::vector<std::vector<std::byte>> records;
  for (const u32 id : index.site_ids()) {
    records.push_back(encode_definition(*index.sites().find(id)));
  }
  const std::vector<ByteView> sites(records.begin(), records.end());
  std::vector<std::byte> seal;
  build_seal({segment_id, index.region_id(), offset, index.end_sequence(), 0}, run, sites, seal);
  return seal;
}

}  // namespace

Result<RecoveryReport> recover_segment(os::Io& io, const std::string& path) {
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd < 0) return failed(path, "cannot open", fd);
  const OpenFile open(io, fd);
  os::FileInfo info;
  int error = io.stat_fd(fd, info);
  if (error < 0) return failed(path, "cannot stat", error);
  if (!info.regular) return fatal(path + ": not a regular file");

  const std::unique_ptr<ByteSource> source = descriptor_source(io, fd);
  FrameScanner scanner(*source);
  SegmentIndex index;
  Frame frame;
  while (scanner.next(frame)) index.add(frame);
  if (scanner.tail().reason == FrameFault::kUnreadable) {
    return fatal(path + ": cannot be read to its end, so its end cannot be cut");
  }

  RecoveryReport report;
  report.is_segment = scanner.segment_id().has_value();
  if (!report.is_segment) return report;
  report.was_sealed = index.sealed();
  const u64 end = scanner.good_end();
  if (info.size > end) {
    error = io.truncate(fd, end);
    if (error < 0) return failed(path, "cannot cut", error);
    report.cut_bytes = info.size - end;
  }
  if (!report.was_sealed) {
    const std::vector<std::byte> seal = make_seal(index, *scanner.segment_id(), end);
    const i64 written = os::pwrite_all(io, fd, seal.data(), seal.size(), end);
    if (written < 0) return failed(path, "cannot write the seal", int(written));
    report.seal_added = true;
  }
  // A sealed file too: an earlier recovery may have been killed just before this.
  error = io.sync_data(fd);
  if (error < 0) return failed(path, "cannot sync", error);
  return report;
}

}  // namespace sluice
