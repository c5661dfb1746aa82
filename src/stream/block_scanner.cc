#include "stream/block_scanner.h"

#include <algorithm>

namespace sluice::stream {
namespace {

constexpr std::size_t kWindowBytes = 256 * 1024;
constexpr u64 kUnreadableStep = 4096;

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

bool Block::whole() const {
  return std::all_of(good.begin(), good.end(), [](bool slice) { return slice; });
}

// Up to `size` bytes at `offset`, in bytes_.
std::size_t BlockScanner::read(u64 offset, std::size_t size, bool& readable) {
  if (bytes_.size() < size) bytes_.resize(size);
  const i64 got = source_.read(offset, bytes_.data(), size);
  readable = got >= 0;
  return readable ? std::size_t(got) : 0;
}

void BlockScanner::note(u64 offset, u64 bytes) {
  if (bytes == 0) return;
  ++damaged_ranges_;
  damaged_bytes_ += bytes;
  if (damaged_.size() < kDamagedRangesMax) damaged_.push_back({offset, bytes, FrameFault::kNone});
}

void BlockScanner::note_bad_slices(const Block& block) {
  for (u64 begin = 0, end = 0; begin < block.good.size(); begin = end + 1) {
    for (end = begin; end < block.good.size() && !block.good[end];) ++end;
    const u64 last = std::min<u64>(end * kSliceBytes, block.header.valid_bytes);
    if (end > begin) note(block.offset + begin * kSliceBytes, last - begin * kSliceBytes);
  }
}

bool BlockScanner::next(Block& out) {
  const u64 from = at_;
  u64 dirty_begin = 0, dirty_end = 0;  // what is neither a block nor zeros, since `from`
  const auto dirty = [&](u64 offset, u64 bytes) {
    if (dirty_end == 0) dirty_begin = offset;
    dirty_end = offset + bytes;
  };
  tail_ = {};
  u64 at = from;
  for (bool more = true; more;) {
    bool readable = true;
    const std::size_t got = read(at, kWindowBytes, readable);
    if (!readable) {
      // The next step may be readable.
      dirty(at, kUnreadableStep);
      at += kUnreadableStep;
      more = at < from + kBlockBytesMax;
      continue;
    }
    more = got == kWindowBytes;
    for (std::size_t begin = 0; begin < got; begin += kBlockStep) {
      const ByteView rest = ByteView(bytes_).first(got).subspan(begin);
      const u64 offset = at + begin;
      if (check_head(rest, offset, file_id_) != BlockFault::kNone) {
        const ByteView step = rest.first(std::min<std::size_t>(rest.size(), kBlockStep));
        if (!is_zero(step)) dirty(offset, step.size());
        continue;
      }
      const BlockHeader header = block_header(rest);
      const std::size_t whole = read(offset, header.valid_bytes, readable);
      if (!readable || whole < header.valid_bytes) {
        // It is not all there: a write cut short, or one under way.
        dirty(offset, readable ? whole : kUnreadableStep);
        more = false;
        break;
      }
      file_id_ = header.file_id;
      out.header = header;
      out.offset = offset;
      out.bytes = ByteView(bytes_).first(header.valid_bytes);
      out.good = good_slices(out.bytes);
      if (dirty_end > 0) note(dirty_begin, dirty_end - dirty_begin);
      note_bad_slices(out);
      at_ = out.end();
      if (out.whole()) good_end_ = at_;
      return true;
    }
    at += got;
  }
  if (dirty_end > 0) tail_ = {dirty_begin, dirty_end - dirty_begin, FrameFault::kNone};
  return false;
}

bool looks_like_blocks(ByteSource& source) {
  std::vector<std::byte> head(kBlockStep);
  const i64 got = source.read(0, head.data(), head.size());
  return got >= 4 && load<u32>(head.data()) == kBlockMagic;
}

BlockReport verify_blocks(ByteSource& source) {
  BlockReport report;
  BlockScanner scanner(source);
  Block block;
  u64 records_end = 0;
  u64 end = 0;
  while (scanner.next(block)) {
    const BlockHeader& header = block.header;
    report.begin_ns = report.begin_ns == 0 ? header.begin_ns : report.begin_ns;
    report.end_ns = std::max(report.end_ns, header.end_ns);
    report.sealed = header.kind == u8(BlockKind::kSeal);
    records_end = std::max(records_end, header.first_record + header.records);
    end = block.end();
    if (report.sealed) continue;
    ++report.blocks;
    report.records += for_each_record(block.bytes, block.good, [](ByteView) {});
  }
  report.file_id = scanner.file_id();
  report.missing_records = records_end > report.records ? records_end - report.records : 0;
  report.damaged = scanner.damaged();
  report.damaged_ranges = scanner.damaged_ranges();
  report.damaged_bytes = scanner.damaged_bytes();
  report.torn_tail = scanner.tail();
  report.file_bytes = std::max(end, report.torn_tail.offset + report.torn_tail.length);
  return report;
}

}  // namespace sluice::stream
