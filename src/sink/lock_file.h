// The lock of a log file that several writers share, and what it remembers of interrupted writes.
//
// Beside /var/log/app.log lies /var/log/.app.log.lock, mode 0600. Whoever writes to the log holds a
// kernel lock on byte 0 for the length of one batch:
//
//   0      WriteNote        the write that goes on: {region, sink, attempt, file, start, bytes}
//   128    RotatedNumbers   which numbered files this log made
//   176    FileBegin        when the current file began, for rotation by time
//   256    WriteNote[64]    settled: interrupted writes, and how many bytes of each the log kept
//
// A holder finds a note that is not cleared only when its writer was killed (or its disk failed).
// It settles that write: cuts what the log has of it back to the last newline, remembers how much
// is left (`kept`), clears the note. The dead writer's region, when it is recovered, asks for
// `kept` and goes on there, whatever others have appended meanwhile. A note is made before the
// first byte of the write; a damaged one (torn by a kill) therefore says that nothing was written.
//
// Threading: each LockFile is single-owner; several in one process, of several sinks, exclude each
// other by a mutex, since the kernel's lock belongs to the process. Waiting is bounded: kWaitNs.
// Failure: retryable, but for a lock file of another user (kDisableSink). One that was removed is
// made anew; to remove it from under a holder lets another in. docs/formats/lock_file.md is the
// specification.
#ifndef SLUICE_SRC_SINK_LOCK_FILE_H_
#define SLUICE_SRC_SINK_LOCK_FILE_H_

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/status.h"
#include "os/io.h"

namespace sluice::sink {

// Who writes: a sink of a region. Attempts of one writer have different numbers.
struct Writer {
  std::array<u8, 16> region_id{};
  u32 sink = 0;

  [[nodiscard]] bool operator==(const Writer&) const = default;
};

// On disk, little-endian.
struct WriteNote {
  u32 magic;  // kMagic; 0: no note
  u32 crc;    // CRC32C of what follows
  Writer writer;
  u32 zero;
  u64 attempt;
  os::FileId file;
  u64 start;  // offset in the log
  u64 bytes;
  u64 kept;   // settled: bytes of it that the log has, in whole lines
  u64 stamp;  // settled: the order they came in

  static constexpr u32 kMagic = 0x324e4c53;  // "SLN2"
};
static_assert(sizeof(WriteNote) == 96);

// The numbers that rotation gave to files of this log and that are not removed yet: all from
// `lowest` to `highest`. Only these are its own to remove. On disk, little-endian.
struct RotatedNumbers {
  u32 magic;  // kMagic
  u32 crc;    // CRC32C of what follows
  u64 lowest;
  u64 highest;
  // The file that is given `highest`, stored before it is renamed: while it is still the current
  // file, that has not happened.
  os::FileId last;

  static constexpr u32 kMagic = 0x31524c53;  // "SLR1"
};
static_assert(sizeof(RotatedNumbers) == 48);

// When a file got its first line, as the clock of its writer had it. On disk, little-endian.
struct FileBegin {
  u32 magic;  // kMagic
  u32 crc;    // CRC32C of what follows
  os::FileId file;
  i64 unix_ns;

  static constexpr u32 kMagic = 0x31424c53;  // "SLB1"
};
static_assert(sizeof(FileBegin) == 40);

class LockFile {
 public:
  static constexpr i64 kWaitNs = 1'000'000'000;
  static constexpr u32 kSettledMax = 64;

  // `io` must outlive it. Touches nothing yet.
  LockFile(os::Io& io, std::string path) : io_(io), path_(std::move(path)) {}
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  Status acquire();
  void release();

  // All of the following only while it is held.
  // The note that its writer did not clear.
  Result<std::optional<WriteNote>> note();
  Status put_note(WriteNote note);
  Status clear_note();
  Status add_settled(WriteNote note);
  Result<std::optional<WriteNote>> find_settled(const Writer& writer, u64 attempt);
  // Forgets what is settled of a writer that needs it no more.
  Status forget(const Writer& writer);
  // nullopt: not known, then none is this log's own.
  Result<std::optional<RotatedNumbers>> rotated();
  Status put_rotated(RotatedNumbers numbers);
  // nullopt: not known; the file may be another one than the current.
  Result<std::optional<FileBegin>> begin();
  Status put_begin(FileBegin begin);

 private:
  static constexpr u64 kRotatedAt = 128;
  static constexpr u64 kBeginAt = kRotatedAt + sizeof(RotatedNumbers);
  static constexpr u64 kSettledAt = 256;
  static_assert(kBeginAt + sizeof(FileBegin) <= kSettledAt);
  static constexpr u64 kBytes = kSettledAt + kSettledMax * sizeof(WriteNote);
  using Settled = std::array<WriteNote, kSettledMax>;

  Status open();
  void close();
  [[nodiscard]] int try_lock();
  Status read_settled(Settled& out);
  template <class Entry>
  Result<std::optional<Entry>> get(u64 offset);
  template <class Entry>
  Status put(Entry entry, u64 offset);

  os::Io& io_;
  const std::string path_;
  int fd_ = -1;
  os::FileId file_;
  std::shared_ptr<std::mutex> in_process_;
  std::unique_lock<std::mutex> held_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_LOCK_FILE_H_
