#include "segment/dictionary_frames.h"

namespace sluice {
namespace {

// Appends frames one after the other; a frame is stamped when it is finished.
class FrameBuilder {
 public:
  FrameBuilder(const FramePlace& place, std::vector<std::byte>& out)
      : place_(place), out_(out), base_(out.size()) {}

  void begin() {
    frame_ = out_.size();
    out_.resize(frame_ + kFrameHeaderBytes);
  }

  [[nodiscard]] bool has_room(ByteView record) const {
    return out_.size() - frame_ + record.size() <= kFrameBytes;
  }

  void add(ByteView record) { out_.insert(out_.end(), record.begin(), record.end()); }

  void finish(FrameKind kind) {
    FrameHeader header{};
    header.magic = kFrameMagic;
    header.version = kFrameVersion;
    header.kind = u8(kind);
    header.flags = kind == FrameKind::kHeader ? place_.flags : u16{0};
    header.payload_bytes = u32(out_.size() - frame_ - kFrameHeaderBytes);
    header.first_sequence = place_.sequence;
    header.region_id = place_.region_id;
    store(out_.data() + frame_, header);
    stamp_frame(out_.data() + frame_, place_.segment_id, place_.offset + (frame_ - base_));
    out_.resize(frame_ + frame_extent(header));
  }

 private:
  const FramePlace& place_;
  std::vector<std::byte>& out_;
  const std::size_t base_;
  std::size_t frame_ = 0;
};

}  // namespace

void build_header(const FramePlace& place, ByteView run_record, const std::vector<ByteView>& sites,
                  std::vector<std::byte>& out) {
  FrameBuilder frames(place, out);
  frames.begin();
  frames.add(run_record);
  FrameKind kind = FrameKind::kHeader;
  for (const ByteView site : sites) {
    if (!frames.has_room(site)) {
      frames.finish(kind);
      kind = FrameKind::kDefinitions;
      frames.begin();
    }
    frames.add(site);
  }
  frames.finish(kind);
}

void build_seal(const FramePlace& place, ByteView run_record, const std::vector<ByteView>& sites,
                std::vector<std::byte>& out) {
  FrameBuilder frames(place, out);
  frames.begin();
  frames.add(run_record);
  for (const ByteView site : sites) {
    if (!frames.has_room(site)) {
      frames.finish(FrameKind::kDefinitions);
      frames.begin();
    }
    frames.add(site);
  }
  frames.finish(FrameKind::kSeal);
}

}  // namespace sluice
