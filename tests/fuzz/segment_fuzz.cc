// Any bytes as a segment file: reader, verify, recover and last_sequence must cope.
//
// The first byte chooses: 0 takes the rest as it is; anything else stamps whatever looks like a
// frame header with a right CRC, place and segment id first, so that the checks behind the CRC are
// reached. Aborts when a served record is not whole, when sequences do not rise, or when a recovery
// changes what is readable or is not idempotent.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../support/memory_io.h"
#include "segment/directory.h"
#include "segment/reader.h"
#include "segment/recover.h"
#include "segment/verify.h"

namespace {

using namespace sluice;

constexpr const char* kPath = "/d/f-000001.seg";

void require(bool holds) {
  if (!holds) std::abort();
}

void stamp_all(std::vector<std::byte>& image) {
  for (std::size_t at = 0; at + kFrameHeaderBytes <= image.size(); at += kFrameStep) {
    auto header = load<FrameHeader>(image.data() + at);
    if (header.magic != kFrameMagic) continue;
    const u64 room = image.size() - at - kFrameHeaderBytes;
    header.payload_bytes = u32(std::min<u64>(header.payload_bytes, room));
    store(image.data() + at, header);
    stamp_frame(image.data() + at, 7, at);
  }
}

u64 read_all(SegmentReader& reader) {
  SegmentRecord record;
  u64 served = 0;
  u64 next = 0;
  while (reader.next(record)) {
    require(record.bytes.size() >= kRecordHeaderBytes);
    require(record.header.size() == record.bytes.size());
    require(served == 0 || record.sequence >= next);
    require(record.run != nullptr);
    require(record.site == nullptr || record.site->id == record.header.site);
    next = record.sequence + 1;
    ++served;
  }
  return served;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto* const bytes = reinterpret_cast<const std::byte*>(data);
  std::vector<std::byte> image(bytes + 1, bytes + size);
  if (data[0] != 0) stamp_all(image);

  const auto reader = SegmentReader::from_memory(image);
  const u64 served = read_all(*reader);
  require(served <= reader->index().counts().records);

  sluice::testing::MemoryIo io;
  io.make_directory("/d");
  io.put(kPath, image);
  const SegmentReport before = verify_segment(io, kPath).value();
  require(before.damaged_bytes + before.torn_tail.length <= image.size());
  (void)last_sequence(io, "/d", before.region_id);

  const auto recovered = recover_segment(io, kPath);
  require(recovered.ok());
  if (!recovered.value().is_segment) {
    require(io.bytes(kPath) == image);
    return 0;
  }
  const SegmentReport after = verify_segment(io, kPath).value();
  require(after.sealed && after.torn_tail.length == 0);
  require(after.counts.records == before.counts.records);
  require(after.first_sequence == before.first_sequence);
  require(after.last_sequence == before.last_sequence);
  const std::vector<std::byte> once = io.bytes(kPath);
  require(read_all(*SegmentReader::from_memory(once)) == served);
  require(recover_segment(io, kPath).ok());
  require(io.bytes(kPath) == once);
  return 0;
}
