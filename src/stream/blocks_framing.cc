// Framing `blocks`: a unit is a block, what one chunk held. See stream/block.h.
#include <algorithm>
#include <array>

#include "os/process.h"
#include "segment/source.h"
#include "stream/block.h"
#include "stream/block_scanner.h"
#include "stream/framing.h"

namespace sluice::stream {
namespace {

class BlocksFraming final : public FileFraming {
 public:
  u32 head_bytes(u32 capacity) const override { return head_bytes_for(capacity); }
  u32 record_overhead() const override { return kLengthBytes; }
  bool is_paged() const override { return true; }

  Piece finish(std::byte* chunk, u32 capacity, u32 bytes, u32 lane, i64 begin_ns,
               i64 end_ns) override {
    finish_block(chunk, capacity, bytes, lane, begin_ns, end_ns);
    const std::span block(chunk, std::size_t(block_extent(bytes)));
    return {block, block_header(block).records};
  }
  u32 finished_bytes(u32 bytes) const override { return u32(block_extent(bytes)); }
  std::size_t record_bytes(std::string_view rest) const override {
    if (rest.size() < kLengthBytes) return 0;
    const std::size_t bytes = kLengthBytes + load<u32>(rest.data());
    return bytes <= rest.size() ? bytes : 0;
  }
  Piece fitting(Piece piece, u64 room, bool at_least_one) const override {
    return piece.size() <= room || at_least_one ? piece : Piece{};
  }
  u64 records_between(std::span<const Piece> pieces, u64 from, u64 to) const override {
    u64 end = 0;
    u64 count = 0;
    for (const Piece piece : pieces) {
      end += piece.size();
      if (end > from && end <= to) count += piece.records;
    }
    return count;
  }
  u64 whole(std::span<const Piece> pieces, u64 bytes) const override {
    u64 end = 0;
    for (const Piece piece : pieces) {
      if (end + piece.size() > bytes) break;
      end += piece.size();
    }
    return end;
  }

  void begin_file() override { os::random_bytes(&file_id_, sizeof file_id_); }
  void place(Piece block, FilePlace place) override {
    place_block(block.bytes.data(), file_id_, place.bytes, place.records);
  }
  int good_part(os::Io& io, int fd, u64, const std::optional<FilePlace>&, FilePlace& out) override {
    const auto source = descriptor_source(io, fd);
    BlockScanner scanner(*source);
    Block block;
    out = {};
    while (scanner.next(block)) {
      if (block.header.kind == u8(BlockKind::kSeal) || !block.whole()) continue;
      out = {block.end(), block.header.first_record + block.header.records};
    }
    if (scanner.file_id()) file_id_ = *scanner.file_id();
    return 0;
  }
  ByteView end_file(FilePlace place) override {
    make_seal(seal_.data(), file_id_, place.bytes, place.records, os::wall_ns());
    return seal_;
  }
  u32 end_bytes() const override { return kBlockStep; }

 private:
  u64 file_id_ = 0;
  alignas(kBlockStep) std::array<std::byte, kBlockStep> seal_{};
};

}  // namespace

std::unique_ptr<FileFraming> make_blocks_framing() { return std::make_unique<BlocksFraming>(); }

std::unique_ptr<FileFraming> framing_of_file(os::Io& io, int fd, u64 size,
                                             const FileFraming& usual) {
  const auto source = descriptor_source(io, fd);
  bool blocks = looks_like_blocks(*source);
  if (blocks && size >= kBlockStep) {
    // Lines may begin with any bytes; that a whole head holds is no accident. The first block may
    // be torn behind its head, or its head damaged.
    std::array<std::byte, kBlockStep> head{};
    const i64 got = source->read(0, head.data(), head.size());
    BlockScanner scanner(*source);
    Block block;
    blocks = (got == i64(head.size()) && check_head(head, 0, {}) == BlockFault::kNone) ||
             scanner.next(block);
  } else if (!blocks) {
    // Zeros, where power was lost: of either.
    u64 first = 0;
    if (source->read(0, &first, sizeof first) >= 0 && first == 0) return nullptr;
  }
  if (blocks == usual.is_paged()) return nullptr;
  return blocks ? make_blocks_framing() : make_lines_framing();
}

}  // namespace sluice::stream
