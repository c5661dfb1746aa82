// The frames that a writer still needs in memory: those not yet written, and those written but not
// yet durable, so that a failed fsync costs nothing that is still held here.
//
// One block of memory, allocated once and used as a circle; a frame is always contiguous:
//
//   | newest ... | open frame | (free) | oldest, written | ... | unwritten |
//
// When the circle is full the oldest *written* frames are let go and counted; unwritten ones never
// are, because a new frame is begun only when everything before it is written.
// Threading: single-owner. No function blocks or fails.
#ifndef SLUICE_SRC_SEGMENT_ARENA_H_
#define SLUICE_SRC_SEGMENT_ARENA_H_

#include <deque>
#include <memory>

#include "base/bytes.h"

namespace sluice {

class FrameArena {
 public:
  struct Frame {
    std::byte* bytes;
    u32 size;  // header, payload and zeros to the next step
    u32 record_count;
    u64 end_sequence;
  };

  explicit FrameArena(u64 keep_bytes);

  // Room for kFrameBytesMax bytes of a new frame. Only with has_unwritten() false.
  [[nodiscard]] std::byte* begin();
  // The frame begun last is complete: it waits to be written.
  void commit(u32 size, u32 record_count, u64 end_sequence);

  [[nodiscard]] bool has_unwritten() const { return written_ < frames_.size(); }
  [[nodiscard]] const Frame& next_unwritten() const { return frames_[written_]; }
  [[nodiscard]] std::size_t held() const { return frames_.size(); }
  void mark_written() { ++written_; }

  // All written frames are durable: they are let go.
  void forget_written();
  // Nothing is durable: every frame still held waits to be written again. Returns how many records
  // were written since the last forget_written() and are held no more.
  [[nodiscard]] u64 rewrite_all();

 private:
  void let_go_oldest();

  u64 capacity_;
  std::unique_ptr<std::byte[]> block_;
  std::deque<Frame> frames_;
  std::size_t written_ = 0;  // the first so many of frames_ are written
  std::byte* open_ = nullptr;
  u64 records_let_go_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_ARENA_H_
