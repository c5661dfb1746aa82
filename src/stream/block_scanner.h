// Walks the blocks of a file of framing `blocks`, whatever state it is in.
//
// At each multiple of 4096 bytes there is a block, or zeros (nothing was written), or damage. After
// damage the scanner goes on at the next place where the head of a block holds in every respect.
// The first good head fixes the file's id.
//
// Threading: single-owner. Blocking: as reads of the source. Memory: one block, at most 16 MiB, and
// at most kDamagedRangesMax ranges. Failure: no bytes can make it fail; what cannot be read is
// damage.
#ifndef SLUICE_SRC_STREAM_BLOCK_SCANNER_H_
#define SLUICE_SRC_STREAM_BLOCK_SCANNER_H_

#include <optional>
#include <vector>

#include "base/status.h"
#include "segment/scanner.h"
#include "stream/block.h"

namespace sluice::stream {

struct Block {
  BlockHeader header;
  u64 offset = 0;
  ByteView bytes;          // valid_bytes, until the next call
  std::vector<bool> good;  // slices

  [[nodiscard]] bool whole() const;
  [[nodiscard]] u64 end() const { return offset + block_extent(header.valid_bytes); }
};

class BlockScanner {
 public:
  static constexpr std::size_t kDamagedRangesMax = 1024;

  // `source` must outlive the scanner.
  explicit BlockScanner(ByteSource& source) : source_(source) {}

  // The next block with a good head, a seal too. False: there is no more for now; a later call goes
  // on behind the last block, so that a file that has grown is followed.
  [[nodiscard]] bool next(Block& out);

  [[nodiscard]] const std::optional<u64>& file_id() const { return file_id_; }
  // Where the last block of which every slice holds ends.
  [[nodiscard]] u64 good_end() const { return good_end_; }
  // Before the last good head: the first ranges, and all in numbers.
  [[nodiscard]] const std::vector<DamagedRange>& damaged() const { return damaged_; }
  [[nodiscard]] u64 damaged_ranges() const { return damaged_ranges_; }
  [[nodiscard]] u64 damaged_bytes() const { return damaged_bytes_; }
  // Behind it, zeros at the end left out, when next() has returned false.
  [[nodiscard]] const DamagedRange& tail() const { return tail_; }

 private:
  [[nodiscard]] std::size_t read(u64 offset, std::size_t size, bool& readable);
  void note(u64 offset, u64 bytes);
  void note_bad_slices(const Block& block);

  ByteSource& source_;
  std::vector<std::byte> bytes_;
  u64 at_ = 0;
  u64 good_end_ = 0;
  std::optional<u64> file_id_;
  std::vector<DamagedRange> damaged_;
  u64 damaged_ranges_ = 0;
  u64 damaged_bytes_ = 0;
  DamagedRange tail_;
};

// What is in a whole file.
struct BlockReport {
  u64 file_bytes = 0;
  std::optional<u64> file_id;  // none: not a single good block
  u64 blocks = 0;
  u64 records = 0;          // that can be read
  u64 missing_records = 0;  // that were in the file, as its blocks say, and cannot
  i64 begin_ns = 0;
  i64 end_ns = 0;
  bool sealed = false;
  std::vector<DamagedRange> damaged;
  u64 damaged_ranges = 0;
  u64 damaged_bytes = 0;
  DamagedRange torn_tail;  // behind the last block; length 0: none

  [[nodiscard]] bool whole() const {
    return (file_id || file_bytes == 0) && missing_records == 0 && damaged_ranges == 0 &&
           torn_tail.length == 0;
  }
};

// Whether a file begins with the head of a block.
[[nodiscard]] bool looks_like_blocks(ByteSource& source);
[[nodiscard]] BlockReport verify_blocks(ByteSource& source);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_BLOCK_SCANNER_H_
