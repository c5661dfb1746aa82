// Walks the frames of a segment, whatever state the file is in.
//
// At each multiple of 64 bytes there is a frame, or zeros (nothing was written), or damage. After
// damage the scanner goes on at the next step whose frame holds in every respect: header fields,
// segment id, place, CRC, record sizes and counts. The first good frame fixes the segment id.
//
// Threading: single-owner. Blocking: as reads of the source. Memory: one window of 512 KiB and at
// most kDamagedRangesMax ranges, whatever the file says. Failure: no bytes can make it fail; blocks
// that cannot be read are damage. Work: false candidates may cost 64 MiB of checksums and four
// times the file; beyond that the length they claim is skipped.
#ifndef SLUICE_SRC_SEGMENT_SCANNER_H_
#define SLUICE_SRC_SEGMENT_SCANNER_H_

#include <memory>
#include <optional>
#include <vector>

#include "segment/frame.h"
#include "segment/source.h"

namespace sluice {

struct Frame {
  FrameHeader header;
  u64 offset;
  ByteView payload;  // valid until the scanner's next call; checked by check_payload()
};

struct DamagedRange {
  u64 offset = 0;
  u64 length = 0;
  // Of its first bytes; kUnreadable when any part of it could not be read.
  FrameFault reason = FrameFault::kNone;
};

class FrameScanner {
 public:
  static constexpr std::size_t kDamagedRangesMax = 1024;

  // `source` must outlive the scanner.
  explicit FrameScanner(ByteSource& source);

  // The next good frame; false at the end. A later call goes on behind the last good frame, so that
  // a file that has grown is followed.
  [[nodiscard]] bool next(Frame& out);
  // Nothing from here on is looked at.
  void set_limit(u64 offset) { limit_ = offset; }

  // Where the last good frame ends, zeros to the next step included.
  [[nodiscard]] u64 good_end() const { return good_end_; }
  // Where the file ended when next() last returned false.
  [[nodiscard]] u64 file_end() const { return file_end_; }
  [[nodiscard]] const std::optional<u64>& segment_id() const { return segment_id_; }

  // Damage between good frames: the first kDamagedRangesMax ranges, and the totals of all.
  [[nodiscard]] const std::vector<DamagedRange>& damaged() const { return damaged_; }
  [[nodiscard]] u64 damaged_ranges() const { return damaged_ranges_; }
  [[nodiscard]] u64 damaged_bytes() const { return damaged_bytes_; }
  // Damage behind the last good frame, after next() returned false; length 0 when there is none.
  [[nodiscard]] const DamagedRange& tail() const { return tail_; }

 private:
  [[nodiscard]] ByteView view(u64 offset, std::size_t size);
  [[nodiscard]] FrameFault try_frame(u64 offset, Frame& out);
  [[nodiscard]] u64 step_over(u64 offset, FrameFault fault);
  void finish_damage(u64 end);
  void finish_tail(u64 end);

  ByteSource& source_;
  std::unique_ptr<std::byte[]> window_;
  u64 window_offset_ = 0;
  std::size_t window_bytes_ = 0;
  bool unreadable_ = false;  // the last view() failed
  u32 unreadable_in_a_row_ = 0;

  u64 limit_ = ~u64{0};
  u64 good_end_ = 0;
  u64 file_end_ = 0;
  u64 wasted_bytes_ = 0;  // checksummed for candidates that were no frames
  std::optional<u64> segment_id_;

  DamagedRange open_;  // damage being walked over; reason kNone when there is none
  DamagedRange tail_;
  std::vector<DamagedRange> damaged_;
  u64 damaged_ranges_ = 0;
  u64 damaged_bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_SCANNER_H_
