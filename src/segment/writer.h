// Writes records into numbered segment files, through failing disks.
//
// Records are gathered into frames in memory; flush() and full frames write them, sync() makes them
// durable, seal() completes the file. A file is created when the first frame is written and sealed
// when it has reached segment_bytes; the writer never appends to a file that it did not create.
//
// A record that append() took is never forgotten on account of an error:
//  - no space, or another error that passes: the frame stays in memory and is written again to the
//    same offset at the next call; until then append() takes nothing more than the open frame;
//  - any other write error: what is in the file is made durable, and a new file goes on;
//  - a failed fsync: the file is finished. Everything written since the last good sync, as far as
//    keep_bytes hold it, is written again to a new file (a reader drops the repetition by
//    sequence); what is held no more is counted in records_at_risk. A file that was never synced
//    and is repeated as a whole is then removed, so that a disk which refuses every fsync is not
//    filled with copies.
//
// Threading: single-owner. Blocking: as the disk; define_*() never. Memory: keep_bytes, one table
// entry a site and a thread, allocated once. Time: the owner calls flush() every 200 ms or so.
// Errors: `retryable` = call again later, nothing is lost; `disable_sink` = the directory cannot be
// used; `fatal` = the argument is wrong and was not taken. Format: docs/formats/segment.md.
#ifndef SLUICE_SRC_SEGMENT_WRITER_H_
#define SLUICE_SRC_SEGMENT_WRITER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "segment/arena.h"
#include "segment/definition_table.h"
#include "segment/file.h"

namespace sluice {

struct SegmentOptions {
  std::string directory{};  // must exist
  std::string name{};       // of the files: is_segment_name()
  u64 segment_bytes = 64 * 1024 * 1024;
  u64 keep_bytes = 8 * 1024 * 1024;  // memory for frames that are not durable yet
  u64 segment_id = 0;                // 0: random; else of the first file, then counted up
  os::Io* io = nullptr;              // null: the real one; must outlive the writer
};

struct SegmentCounts {
  u64 records = 0;         // taken by append()
  u64 caller_records = 0;  // of these, from callers
  u64 frames = 0;          // written, each repetition too
  u64 bytes = 0;           // written
  u64 files = 0;           // created
  u64 files_sealed = 0;
  u64 write_failures = 0;  // writes and creations that failed, repeated ones too
  u64 sync_failures = 0;
  u64 files_abandoned = 0;   // finished without a seal after an error
  u64 frames_rewritten = 0;  // waiting to be, or written again to another file
  u64 records_at_risk = 0;   // written, then not covered by a failed sync, and not held in memory
};

class SegmentWriter {
 public:
  static constexpr u64 kSegmentBytesMax = u64{16} << 30;
  static constexpr u64 kWindowBytes = 1024 * 1024;

  [[nodiscard]] static Result<std::unique_ptr<SegmentWriter>> open(SegmentOptions options,
                                                                   const RunDefinition& run);
  // Closes the file without writing: call seal() or flush() first.
  ~SegmentWriter() = default;

  // Takes a copy of `record` under `sequence`, which must be above every earlier one; sequences
  // passed over are missing for every reader (skip() says that they are not). `site` defines the
  // record's site and must stay as it is while the writer lives; null for built-in records and for
  // sites that nobody can define. Not ok: nothing was taken.
  Status append(u64 sequence, ByteView record, const Site* site) {
    if (!take(sequence, record, site)) return append_slow(sequence, record, site);
    // Not `return {}`, which clears the object first, by a string instruction: 8 ns a record.
    Status taken;
    return taken;
  }
  // Accounts for `count` sequences from `first` on that are not stored on purpose.
  Status skip(u64 first, u64 count);

  // From the next record on. The segment holds them only when a record uses them.
  void define_thread(const ThreadDefinition& thread) { table_.set_thread(thread); }
  void define_clock(const ClockDefinition& clock) { table_.set_clock(clock); }
  // A site that the next built-in record speaks of: it is defined before that record. `site` must
  // stay as it is while the writer lives.
  void define_site(const Site& site) { sites_wanted_.push_back(&site); }

  // Closes the open frame and writes everything taken: survives the death of the process.
  Status flush();
  // flush(), then makes it durable: survives the loss of power.
  Status sync();
  // sync(), with the seal; the next record begins a new file. Nothing without a file.
  Status seal();

  // Sequences below are written, durable.
  [[nodiscard]] u64 written_end() const { return written_end_; }
  [[nodiscard]] u64 durable_end() const { return durable_end_; }
  // When false, a flush() would have nothing to do.
  [[nodiscard]] bool has_unwritten() const { return frame_ != nullptr || arena_.has_unwritten(); }
  [[nodiscard]] SegmentCounts counts() const;
  // Of the open file, or the last one; empty before the first.
  [[nodiscard]] const std::string& path() const { return file_.path(); }

 private:
  SegmentWriter(SegmentOptions options, const RunDefinition& run, u64 number);

  [[nodiscard]] bool take(u64 sequence, ByteView record, const Site* site);
  Status append_slow(u64 sequence, ByteView record, const Site* site);
  Status make_room(u64 sequence, std::size_t record_bytes, const Site* site, u16 slot);
  Status begin_frame(u64 sequence);
  void close_frame();
  [[nodiscard]] Status check(u64 sequence, ByteView record, const Site* site) const;
  [[nodiscard]] bool put_wanted_sites();
  void put_missing();
  void put(ByteView record);

  Status write_out();
  [[nodiscard]] int try_write_out();
  [[nodiscard]] int start_file();
  [[nodiscard]] int write_seal();
  void abandon_file(bool sync_failed);
  void mark_durable();
  [[nodiscard]] u64 next_segment_id() const;
  [[nodiscard]] Status failed(const char* what, int os_error) const;

  os::Io& io_;
  const SegmentOptions options_;
  const RunDefinition run_;
  DefinitionTable table_;
  FrameArena arena_;
  SegmentFile file_;

  std::byte* frame_ = nullptr;      // the open frame in the arena
  u32 used_ = 0;                    // bytes of it, header included
  FrameHeader header_{};            // of the open frame
  u64 next_sequence_ = 0;           // append() takes this or a higher one
  std::byte* last_skip_ = nullptr;  // the open frame's last record, when it is a skip

  std::vector<std::byte> preamble_;  // header (and dictionary), or seal: not yet written
  std::vector<std::byte> missing_;   // definitions for the record being taken
  std::vector<const Site*> sites_wanted_;
  std::vector<std::string> superseded_;  // files to remove when what they held is written again
  bool dictionary_first_ = false;        // the next file must begin with the dictionary
  bool sealing_ = false;                 // preamble_ is the seal of the open file
  u64 window_start_ = 0;                 // file offset
  u64 frames_in_file_ = 0;
  u64 at_risk_told_ = 0;  // how many of counts_.records_at_risk a sync() has reported
  u64 written_end_ = 0;
  u64 durable_end_ = 0;
  SegmentCounts counts_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_WRITER_H_
