// The one file a segment writer appends to.
//
// Created with O_EXCL under the next free number; bytes go to a known offset, so that a write cut
// short is repeated over itself with the same bytes. sync() makes the file and its name durable and
// is never repeated after it failed: the owner abandons the file.
// Threading: single-owner. Blocking: as the system calls. Errors: 0 or -errno.
#ifndef SLUICE_SRC_SEGMENT_FILE_H_
#define SLUICE_SRC_SEGMENT_FILE_H_

#include <string>

#include "base/bytes.h"
#include "os/io.h"

namespace sluice {

class SegmentFile {
 public:
  // `number`: the first to try. `io` must outlive the file.
  SegmentFile(os::Io& io, std::string directory, std::string name, u64 number);
  ~SegmentFile() { close(); }
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  [[nodiscard]] int create(u64 segment_id);
  // All of `bytes` at offset(), which moves only when all of them are written.
  [[nodiscard]] int write(ByteView bytes);
  [[nodiscard]] int sync();
  void close();
  // Closes and removes the file, which holds nothing that anybody was told is written.
  void discard();

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] bool has_unsynced() const { return is_open() && unsynced_; }
  // Some of it has been made durable.
  [[nodiscard]] bool ever_synced() const { return !name_unsynced_; }
  [[nodiscard]] u64 offset() const { return offset_; }
  [[nodiscard]] u64 segment_id() const { return segment_id_; }
  // Of the open file, or the last one.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  os::Io& io_;
  const std::string directory_;
  const std::string name_;
  u64 number_;
  int fd_ = -1;
  u64 offset_ = 0;
  u64 segment_id_ = 0;
  bool unsynced_ = false;
  bool name_unsynced_ = false;
  std::string path_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_FILE_H_
