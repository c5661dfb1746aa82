// A block: what one chunk of a stream held, as it stands in a file of framing `blocks`.
//
//   0        64                       head_bytes                      valid_bytes     multiple of
//   4096
//   +--------+------------------------+--------+--------+--- - - -----+---------------+
//   | header | slices: {crc, first}.. | record | record |  ...        | zeros         | next block
//   +--------+------------------------+--------+--------+--- - - -----+---------------+
//
// docs/formats/block.md is the specification. A record is its length (u32) and its bytes. A slice
// is 64 KiB of the block, with a checksum of its own and the place of the first record that begins
// in it: damage costs the records that it touches, and reading goes on behind it.
//
// Threading: plain functions on the caller's bytes. Failure: check_head() and for_each_record()
// take untrusted bytes and never read outside them.
#ifndef SLUICE_SRC_STREAM_BLOCK_H_
#define SLUICE_SRC_STREAM_BLOCK_H_

#include <algorithm>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace sluice::stream {

enum class BlockKind : u8 {
  kData = 1,
  kSeal = 2,  // the last of a file: nothing follows
};

// On disk, little-endian.
struct BlockHeader {
  u32 magic;         // "SLBK"
  u8 version;        // 1
  u8 kind;           // BlockKind
  u16 head_bytes;    // before the first record: header, slices, zeros
  u32 valid_bytes;   // from the start of the header to the end of the last record
  u32 crc;           // CRC32C of the head, with zero in this place
  u64 file_id;       // random, the same in every block of a file
  u64 first_record;  // records in the blocks before this one
  i64 begin_ns;      // wall time: its records were accepted between these two
  i64 end_ns;
  u32 records;
  u32 step;      // its offset in the file / 4096
  u32 lane;      // blocks of one lane are in the order of their records
  u32 reserved;  // 0
};
static_assert(sizeof(BlockHeader) == 64);

// On disk, behind the header: one for each 64 KiB of the block.
struct BlockSlice {
  u32 crc;    // CRC32C of the slice up to valid_bytes; of the first, from head_bytes on
  u32 first;  // offset in the block of the first record that begins in the slice; 0: none does
};

inline constexpr u32 kBlockMagic = 0x4b424c53;  // "SLBK"
inline constexpr u8 kBlockVersion = 1;
inline constexpr u32 kBlockStep = 4096;
inline constexpr u32 kSliceBytes = 64 * 1024;
inline constexpr u32 kBlockBytesMax = 16 << 20;
inline constexpr u32 kLengthBytes = 4;

// What a chunk of so many bytes keeps free for the head of its block.
[[nodiscard]] constexpr u32 head_bytes_for(u32 capacity) {
  const u64 slices = round_up(capacity, kSliceBytes) / kSliceBytes;
  return u32(round_up(sizeof(BlockHeader) + slices * sizeof(BlockSlice), 64));
}
[[nodiscard]] constexpr u64 block_extent(u32 valid_bytes) {
  return round_up(valid_bytes, kBlockStep);
}

// ---- writing ----

// Completes a chunk of `capacity` bytes that was filled up to `valid_bytes`: header, slices, zeros
// up to the extent. The place is still to come.
void finish_block(std::byte* chunk, u32 capacity, u32 valid_bytes, u32 lane, i64 begin_ns,
                  i64 end_ns);
// Gives it its place in a file; may be repeated for another.
void place_block(std::byte* chunk, u64 file_id, u64 offset, u64 first_record);
// Makes the block that ends a file of so many records: kBlockStep bytes.
void make_seal(std::byte* to, u64 file_id, u64 offset, u64 records, i64 now_ns);

// ---- reading ----

enum class BlockFault : u8 {
  kNone,
  kNoMagic,
  kBadHead,       // a field is impossible, or the checksum does not hold
  kOtherVersion,  // of a later version
  kOtherFile,
  kMisplaced,
};

// Whether `bytes`, from the block's offset on, begin with the head of a block at `offset` of file
// `file_id` (none: of any). kBadHead also when they end within the head.
[[nodiscard]] BlockFault check_head(ByteView bytes, u64 offset, std::optional<u64> file_id);
[[nodiscard]] BlockHeader block_header(ByteView head);

// Which slices of a block with a good head hold; `bytes` has valid_bytes. A seal has none.
[[nodiscard]] std::vector<bool> good_slices(ByteView bytes);

// Calls each(ByteView record) for every record of a block with a good head that lies in good slices
// only. How many there were.
template <class Each>
u32 for_each_record(ByteView bytes, const std::vector<bool>& good, Each&& each) {
  u32 count = 0;
  const BlockHeader header = block_header(bytes);
  for (std::size_t slice = 0; slice < good.size(); ++slice) {
    if (!good[slice]) continue;
    const auto entry =
        load<BlockSlice>(bytes.data() + sizeof(BlockHeader) + slice * sizeof(BlockSlice));
    const u64 end = std::min<u64>((slice + 1) * u64{kSliceBytes}, header.valid_bytes);
    u64 at = entry.first;
    if (at < header.head_bytes || at < slice * u64{kSliceBytes}) continue;
    while (at < end && header.valid_bytes - at >= kLengthBytes) {
      // Its length may be cut by the end of the slice, like the rest of it.
      const u64 last_of_length = (at + kLengthBytes - 1) / kSliceBytes;
      if (last_of_length >= good.size() || !good[last_of_length]) break;
      const u64 next = at + kLengthBytes + load<u32>(bytes.data() + at);
      if (next > header.valid_bytes) break;
      bool whole = true;
      for (u64 i = slice; i <= (next - 1) / kSliceBytes; ++i) whole = whole && good[i];
      if (whole) {
        each(bytes.subspan(at + kLengthBytes, next - at - kLengthBytes));
        ++count;
      }
      at = next;
    }
  }
  return count;
}

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_BLOCK_H_
