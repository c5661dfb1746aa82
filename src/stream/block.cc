#include "stream/block.h"

#include <algorithm>

#include "base/crc32c.h"

namespace sluice::stream {
namespace {

u32 slices_of(u32 valid_bytes) { return u32(round_up(valid_bytes, kSliceBytes) / kSliceBytes); }

std::byte* slice_entry(std::byte* chunk, u32 slice) {
  return chunk + sizeof(BlockHeader) + slice * sizeof(BlockSlice);
}

struct Extent {
  u32 begin, end;
};
Extent extent_of(const BlockHeader& header, u32 slice) {
  return {slice == 0 ? u32{header.head_bytes} : slice * kSliceBytes,
          std::min((slice + 1) * kSliceBytes, header.valid_bytes)};
}

u32 crc_of_head(const std::byte* head, BlockHeader header) {
  header.crc = 0;
  const u32 crc = crc32c(&header, sizeof header);
  return crc32c(head + sizeof header, header.head_bytes - sizeof header, crc);
}

void put_header(std::byte* to, BlockHeader header) {
  header.crc = crc_of_head(to, header);
  store(to, header);
}

}  // namespace

void finish_block(std::byte* chunk, u32 capacity, u32 valid_bytes, u32 lane, i64 begin_ns,
                  i64 end_ns) {
  BlockHeader header{};
  header.magic = kBlockMagic;
  header.version = kBlockVersion;
  header.kind = u8(BlockKind::kData);
  header.head_bytes = u16(head_bytes_for(capacity));
  header.valid_bytes = valid_bytes;
  header.begin_ns = begin_ns;
  header.end_ns = end_ns;
  header.lane = lane;
  std::memset(chunk, 0, header.head_bytes);
  u32 at = header.head_bytes;
  for (u32 slice = 0; slice < slices_of(valid_bytes);) {
    if (slice > 0 && (slice + 4) * kSliceBytes <= valid_bytes) {
      u32 crcs[4];
      crc32c_of_four(chunk + slice * kSliceBytes, kSliceBytes, crcs);
      for (const u32 crc : crcs) store(slice_entry(chunk, slice++), crc);
    } else {
      const auto [begin, end] = extent_of(header, slice);
      store(slice_entry(chunk, slice++), crc32c(chunk + begin, end - begin));
    }
    // Behind the checksums, which have brought the bytes near: each length would be waited for.
    for (const u32 end = std::min(slice * kSliceBytes, valid_bytes); at < end; ++header.records) {
      std::byte* const first = slice_entry(chunk, at / kSliceBytes) + offsetof(BlockSlice, first);
      if (load<u32>(first) == 0) store(first, at);
      at += kLengthBytes + load<u32>(chunk + at);
    }
  }
  std::memset(chunk + valid_bytes, 0, std::size_t(block_extent(valid_bytes)) - valid_bytes);
  put_header(chunk, header);
}

void place_block(std::byte* chunk, u64 file_id, u64 offset, u64 first_record) {
  auto header = load<BlockHeader>(chunk);
  header.file_id = file_id;
  header.step = u32(offset / kBlockStep);
  header.first_record = first_record;
  put_header(chunk, header);
}

void make_seal(std::byte* to, u64 file_id, u64 offset, u64 records, i64 now_ns) {
  std::memset(to, 0, kBlockStep);
  BlockHeader header{};
  header.magic = kBlockMagic;
  header.version = kBlockVersion;
  header.kind = u8(BlockKind::kSeal);
  header.head_bytes = sizeof header;
  header.valid_bytes = sizeof header;
  header.file_id = file_id;
  header.first_record = records;
  header.begin_ns = header.end_ns = now_ns;
  header.step = u32(offset / kBlockStep);
  put_header(to, header);
}

BlockHeader block_header(ByteView head) { return load<BlockHeader>(head.data()); }

BlockFault check_head(ByteView bytes, u64 offset, std::optional<u64> file_id) {
  if (bytes.size() < sizeof(BlockHeader)) {
    const bool magic = bytes.size() >= 4 && load<u32>(bytes.data()) == kBlockMagic;
    return magic ? BlockFault::kBadHead : BlockFault::kNoMagic;
  }
  const BlockHeader header = block_header(bytes);
  if (header.magic != kBlockMagic) return BlockFault::kNoMagic;
  if (header.version != kBlockVersion) return BlockFault::kOtherVersion;
  const bool data = header.kind == u8(BlockKind::kData);
  const bool seal = header.kind == u8(BlockKind::kSeal);
  const u64 slices = slices_of(std::min(header.valid_bytes, kBlockBytesMax));
  const u64 head_least =
      seal ? sizeof(BlockHeader) : sizeof(BlockHeader) + slices * sizeof(BlockSlice);
  if ((!data && !seal) || header.reserved != 0 || header.valid_bytes > kBlockBytesMax ||
      header.head_bytes < head_least || header.head_bytes > header.valid_bytes ||
      header.head_bytes > bytes.size() || (seal && header.valid_bytes != sizeof(BlockHeader)) ||
      header.crc != crc_of_head(bytes.data(), header)) {
    return BlockFault::kBadHead;
  }
  if (file_id && header.file_id != *file_id) return BlockFault::kOtherFile;
  return u64{header.step} * kBlockStep == offset ? BlockFault::kNone : BlockFault::kMisplaced;
}

std::vector<bool> good_slices(ByteView bytes) {
  const BlockHeader header = block_header(bytes);
  if (header.kind == u8(BlockKind::kSeal)) return {};
  std::vector<bool> good(slices_of(header.valid_bytes));
  for (u32 slice = 0; slice < good.size(); ++slice) {
    const auto [begin, end] = extent_of(header, slice);
    const auto entry =
        load<BlockSlice>(bytes.data() + sizeof(BlockHeader) + slice * sizeof(BlockSlice));
    good[slice] = entry.crc == crc32c(bytes.data() + begin, end - begin);
  }
  return good;
}

}  // namespace sluice::stream
