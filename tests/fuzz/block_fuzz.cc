// Any bytes as a file of framing `blocks`: scanner, verify and recovery must cope.
//
// The first byte chooses: 0 takes the rest as it is; anything else gives whatever looks like the
// head of a block a right place, file id and checksums first, so that the checks behind them are
// reached. Aborts when a record lies outside its block, when the counts of verify do not agree with
// what is served, or when what recovery calls good is not.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "../support/memory_io.h"
#include "base/crc32c.h"
#include "stream/block_scanner.h"
#include "stream/framing.h"

namespace {

using namespace sluice;
using namespace sluice::stream;

constexpr const char* kPath = "/d/s.log";

void require(bool holds) {
  if (!holds) std::abort();
}

void stamp_all(std::vector<std::byte>& image) {
  for (std::size_t at = 0; at + kBlockStep <= image.size(); at += kBlockStep) {
    std::byte* const block = image.data() + at;
    auto header = load<BlockHeader>(block);
    if (header.magic != kBlockMagic) continue;
    const u32 room = u32(std::min<u64>(image.size() - at, kBlockBytesMax));
    header.valid_bytes = std::min(header.valid_bytes, room);
    header.head_bytes = u16(std::clamp<u32>(header.head_bytes, 72, kBlockStep));
    store(block, header);
    for (u32 begin = header.head_bytes, slice = 0; begin < header.valid_bytes;
         begin = ++slice * kSliceBytes) {
      const std::size_t entry = sizeof(BlockHeader) + slice * sizeof(BlockSlice);
      if (entry + sizeof(BlockSlice) > header.head_bytes) break;
      const u32 end = std::min((slice + 1) * kSliceBytes, header.valid_bytes);
      store(block + entry, crc32c(block + begin, end - begin));
    }
    place_block(block, 7, at, header.first_record);
  }
}

u64 read_all(ByteSource& source) {
  BlockScanner scanner(source);
  Block block;
  u64 served = 0;
  u64 end = 0;
  while (scanner.next(block)) {
    require(block.offset >= end);
    end = block.end();
    const auto* const first = block.bytes.data();
    served += for_each_record(block.bytes, block.good, [&](ByteView record) {
      require(record.data() >= first && record.size() <= block.bytes.size());
      require(record.data() + record.size() <= first + block.bytes.size());
    });
  }
  return served;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> image(bytes + 1, bytes + size);
  if (data[0] != 0) stamp_all(image);

  const auto source = memory_source(image);
  const BlockReport report = verify_blocks(*source);
  require(report.records == read_all(*source));
  require(report.damaged_bytes <= image.size() && report.torn_tail.length <= image.size());

  testing::MemoryIo io;
  io.put(kPath, image);
  const int fd = io.open(kPath, os::kRead);
  FilePlace good;
  const auto framing = make_blocks_framing();
  require(framing->good_part(io, fd, image.size(), std::nullopt, good) == 0);
  io.close(fd);
  require(good.bytes <= round_up(image.size(), kBlockStep));
  image.resize(std::size_t(good.bytes));
  const auto cut = memory_source(image);
  require(verify_blocks(*cut).torn_tail.length == 0);
  return 0;
}
