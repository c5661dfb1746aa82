// Checksums beside the open file of a stream of lines, for a loss of power.
//
// What was written and not synced may then be missing anywhere, or be zeros or bytes of a removed
// file, and lines cannot tell. So each write leaves an entry in a file beside: how far the lines
// went, and the checksum of those since the entry before. Format: docs/formats/line_sums.md.
//
// The file is there from before the first line until the file of lines has its own name. Entries
// reach the disk when the kernel likes; sync() is for what is said to be durable. When an entry
// cannot be written, the next covers its lines too; when a sync needs it and it cannot be, the sums
// are removed: the lines are then kept as they are found.
//
// Threading: single-owner, as StreamFile. Blocking: as the disk.
#ifndef SLUICE_SRC_STREAM_LINE_SUMS_H_
#define SLUICE_SRC_STREAM_LINE_SUMS_H_

#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "os/io.h"

namespace sluice::stream {

struct SumsHead {
  static constexpr u64 kMagic = 0x31534d5553494c53;  // "SLISUMS1"

  u64 magic = 0;
  u64 inode = 0;    // of the file of lines
  i64 born_ns = 0;  // and its time of birth
  char boot[36]{};  // which start of the kernel
  u32 check = 0;    // CRC32C of what is before
};
static_assert(sizeof(SumsHead) == 64);

struct SumsEntry {
  u64 end = 0;    // in the file of lines
  u32 crc = 0;    // CRC32C of its bytes since the last entry
  u32 check = 0;  // CRC32C of what is before
};
static_assert(sizeof(SumsEntry) == 16);

// ".payment.sums": no name of a stream's file, and of nothing that is uploaded.
[[nodiscard]] std::string sums_name(std::string_view stem);

class LineSums {
 public:
  LineSums(os::Io& io, std::string path) : io_(io), path_(std::move(path)) {}
  ~LineSums() { let_go(); }
  LineSums(const LineSums&) = delete;
  LineSums& operator=(const LineSums&) = delete;

  // Before the file of lines is made.
  void begin();
  // It is this one, and empty.
  void identify(const os::FileId& lines);
  // The first `bytes` of `pieces` were written behind all that was added before.
  void add(std::span<const ByteView> pieces, u64 bytes);
  // The kernel begins to write them; sync() has less to wait for.
  void begin_sync();
  // 0 when they are durable, or will be gone when the directory is synced; or -errno.
  [[nodiscard]] int sync();
  // Nothing is checked from now on.
  void remove();
  void let_go();

  // How far a file of lines holds that was left, when power was lost; no value: there are no sums
  // of it, or only its writer has died. A failure to read as -errno in `error`, else 0.
  [[nodiscard]] std::optional<u64> good_bytes(const os::FileInfo& lines, int lines_fd,
                                              int& error) const;

 private:
  [[nodiscard]] int open();
  [[nodiscard]] bool append();
  [[nodiscard]] bool put(const void* bytes, std::size_t size);

  os::Io& io_;
  const std::string path_;
  int fd_ = -1;
  bool kept_ = false;  // for the open file of lines
  u64 size_ = 0;       // of this file
  u64 end_ = 0;        // of what was added
  u64 told_ = 0;       // of what has an entry
  u32 crc_ = 0;        // of what is between
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_LINE_SUMS_H_
