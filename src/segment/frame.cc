#include "segment/frame.h"

#include "base/crc32c.h"

namespace sluice {
namespace {

u32 frame_crc(FrameHeader header, const std::byte* payload) {
  header.crc = 0;
  return crc32c(payload, header.payload_bytes, crc32c(&header, sizeof header));
}

}  // namespace

std::string_view frame_fault_name(FrameFault fault) {
  switch (fault) {
    case FrameFault::kNone:
      return "none";
    case FrameFault::kNoMagic:
      return "no frame here";
    case FrameFault::kBadHeader:
      return "impossible header";
    case FrameFault::kOtherVersion:
      return "unknown version or flag";
    case FrameFault::kOtherSegment:
      return "frame of another segment";
    case FrameFault::kMisplaced:
      return "frame out of place";
    case FrameFault::kCutShort:
      return "file ends inside the frame";
    case FrameFault::kBadCrc:
      return "checksum mismatch";
    case FrameFault::kBadPayload:
      return "records do not add up";
    case FrameFault::kUnreadable:
      return "cannot be read";
  }
  return "unknown";
}

void stamp_frame(std::byte* frame, u64 segment_id, u64 offset) {
  auto header = load<FrameHeader>(frame);
  header.segment_id = segment_id;
  header.step = u32(offset / kFrameStep);
  header.crc = frame_crc(header, frame + kFrameHeaderBytes);
  store(frame, header);
}

FrameFault check_header(const FrameHeader& untrusted, u64 offset, const u64* segment_id) {
  if (untrusted.magic != kFrameMagic) return FrameFault::kNoMagic;
  if (untrusted.version != kFrameVersion || (untrusted.flags & ~kKnownFrameFlags) != 0) {
    return FrameFault::kOtherVersion;
  }
  if (untrusted.kind < u8(FrameKind::kHeader) || untrusted.kind > u8(FrameKind::kSeal) ||
      untrusted.payload_bytes > kPayloadBytesMax || untrusted.payload_bytes % 8 != 0 ||
      untrusted.first_sequence > ~u64{0} - untrusted.sequence_count) {
    return FrameFault::kBadHeader;
  }
  if (segment_id != nullptr && untrusted.segment_id != *segment_id) {
    return FrameFault::kOtherSegment;
  }
  return untrusted.step == offset / kFrameStep ? FrameFault::kNone : FrameFault::kMisplaced;
}

FrameFault check_payload(const FrameHeader& untrusted, ByteView payload) {
  if (frame_crc(untrusted, payload.data()) != untrusted.crc) return FrameFault::kBadCrc;
  u64 sequences = 0;
  u32 records = 0;
  u32 callers = 0;
  while (!payload.empty()) {
    if (payload.size() < kRecordHeaderBytes) return FrameFault::kBadPayload;
    const auto record = load<RecordHeader>(payload.data());
    if (record.size() < kRecordHeaderBytes || record.size() > payload.size() ||
        record.site == kSitePadding) {
      return FrameFault::kBadPayload;
    }
    if (record.site == kSiteSkipped) {
      if (record.size() != kSkipRecordBytes) return FrameFault::kBadPayload;
      const u64 skipped = skipped_sequences(payload.data());
      if (skipped > untrusted.sequence_count) return FrameFault::kBadPayload;
      sequences += skipped;
    } else if (!is_definition(record.site)) {
      ++sequences;
      ++records;
      callers += record.site >= kSiteFirstCaller ? 1 : 0;
    }
    payload = payload.subspan(record.size());
  }
  const bool agrees = sequences == untrusted.sequence_count && records == untrusted.record_count &&
                      callers == untrusted.caller_count;
  return agrees ? FrameFault::kNone : FrameFault::kBadPayload;
}

u64 skipped_sequences(const std::byte* record) { return load<u64>(record + kRecordHeaderBytes); }

}  // namespace sluice
