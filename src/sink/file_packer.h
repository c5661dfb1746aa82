// A rotated file on its way to app.3.log.zst, a piece at a time.
//
//   1  .app.log.zst.part: made, locked (one packer a log), emptied, filled      begin(), step()
//   2  it gets the file's time of last change, and is synced                    the last step()
//   3  it is renamed over app.3.log, if that is the file it was made of still   finish()
//   4  app.3.log is renamed to app.3.log.zst                                    finish()
//
// So there is one file of each number at any moment, whole, whenever this process is killed: before
// 3 the plain one, then the packed one. Between 3 and 4 it has the plain one's name: who begins
// with it next sees what it is, and does 4. A part that a killed packer left is emptied by the next
// one.
//
// Threading: single-owner; finish() while the log's lock is held. Blocking: a piece is about a
// millisecond of work, begin() and the last step() as the disk. Failure: -errno, and the plain file
// stays as it is.
#ifndef SLUICE_SRC_SINK_FILE_PACKER_H_
#define SLUICE_SRC_SINK_FILE_PACKER_H_

#include <optional>
#include <string>

#include "sink/log_file.h"
#include "sink/zstd.h"

namespace sluice::sink {

class FilePacker {
 public:
  static constexpr std::size_t kPieceBytes = 256 * 1024;

  FilePacker(os::Io& io, const FileName& name) : io_(io), name_(name) {}
  FilePacker(const FilePacker&) = delete;
  FilePacker& operator=(const FilePacker&) = delete;

  // -EAGAIN: another process packs a file of this log; -ENOENT: the file is not there any more.
  [[nodiscard]] int begin(u64 number);
  [[nodiscard]] bool is_busy() const { return from_.is_open(); }
  [[nodiscard]] std::string path() const { return name_.rotated_path(number_); }
  // 1: there is more; 0: to be finished.
  [[nodiscard]] int step();
  // -ENOENT: the file was removed meanwhile; -EAGAIN: it was changed.
  [[nodiscard]] int finish();
  // Forgets what was begun. Without it, as after a kill, a part stays until the next begin().
  void give_up();

 private:
  [[nodiscard]] int open_part();

  os::Io& io_;
  const FileName& name_;
  u64 number_ = 0;
  OpenFile from_;
  os::FileInfo info_;  // of the plain file
  OpenFile part_;      // not open: the plain file is packed already
  std::optional<ZstdStream> stream_;
  u64 read_ = 0;
  u64 written_ = 0;
  std::string piece_;
  std::string packed_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_FILE_PACKER_H_
