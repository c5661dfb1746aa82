#include "cli/record_source.h"

#include <cerrno>

#include "cli/command.h"
#include "os/io.h"
#include "region/layout.h"
#include "segment/frame.h"
#include "stream/block.h"

namespace sluice::cli {
namespace {

Status cannot_open(const std::string& path, int error) {
  std::string text = "cannot open " + in_quotes(path) + ": " + os::error_text(error);
  text += error == -ENOENT   ? "; check the path"
          : error == -EACCES ? "; it is not yours to read"
                             : "";
  return fatal(std::move(text));
}

enum class FileKind { kLines, kSegment, kRegion, kBlocks };

// By its first bytes; an empty file by its name.
FileKind kind_of(os::Io& io, int fd, std::string_view path) {
  char first[8] = {};
  const i64 got = os::pread_all(io, fd, first, sizeof first, 0);
  if (got >= 4 && load<u32>(first) == kFrameMagic) return FileKind::kSegment;
  if (got == sizeof first && load<u64>(first) == region::kMagic) return FileKind::kRegion;
  if (got >= 4 && load<u32>(first) == stream::kBlockMagic) return FileKind::kBlocks;
  // A segment whose first frame is damaged is still one.
  if (path.ends_with(".seg")) return FileKind::kSegment;
  if (path.ends_with(".region")) return FileKind::kRegion;
  return FileKind::kLines;
}

}  // namespace

Result<std::unique_ptr<RecordSource>> open_source(const std::string& path,
                                                  const SourceOptions& options) {
  os::Io& io = os::real_io();
  os::FileInfo info;
  if (const int failed = io.stat_followed(path.c_str(), info); failed != 0) {
    return cannot_open(path, failed);
  }
  if (info.directory && is_stream_directory(path)) return open_streams(path, options);
  if (info.directory) return open_segments(path, true, options);
  // A pipe is opened once, by who reads it: closing it would end its writer.
  if (!info.regular) return open_lines(path, options);
  const int fd = io.open(path.c_str(), os::kRead | os::kFollow);
  if (fd < 0) return cannot_open(path, fd);
  const FileKind kind = kind_of(io, fd, path);
  io.close(fd);
  if (kind == FileKind::kSegment) return open_segments(path, false, options);
  if (kind == FileKind::kRegion) return open_region(path);
  if (kind == FileKind::kBlocks) return open_blocks(path);
  return open_lines(path, options);
}

}  // namespace sluice::cli
