// One frame of a segment: its header on disk, how it is stamped and how it is checked.
//
// A segment is a sequence of frames; docs/formats/segment.md is the specification. A frame begins
// at a multiple of 64 bytes and is followed by zeros up to the next multiple:
//
//   0        64                                64 + payload_bytes   next multiple of 64
//   +--------+---------+---------+---------+---+---------------------+-------------
//   | header | record  | record  | record  |...| zeros               | next frame
//   +--------+---------+---------+---------+---+---------------------+-------------
//            \___________ payload _____________/
//
// The CRC covers the header (with zero in the place of the CRC) and the payload. `segment_id` is
// random and `step` is the frame's own place, so that neither a frame of another file nor a copy of
// a frame inside a record is ever taken for one of this segment, whatever happened to the file.
//
// Sequences: every record but the definitions (is_definition()) has a journal sequence, counted
// from `first_sequence` without gaps; a kSiteSkipped record stands for as many as it says.
//
// Threading: plain functions on the caller's bytes. Failure: check_payload() and check_header()
// take untrusted bytes and never read outside them.
#ifndef SLUICE_SRC_SEGMENT_FRAME_H_
#define SLUICE_SRC_SEGMENT_FRAME_H_

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "record/format.h"

namespace sluice {

using RegionId = std::array<u8, 16>;

enum class FrameKind : u8 {
  kHeader = 1,       // the first of a file: the run
  kData = 2,         // records, each preceded by the definitions that it needs
  kDefinitions = 3,  // definitions only: a dictionary too long for the header or the seal
  kSeal = 4,         // the last of a complete file: the run and the dictionary again
};

enum FrameFlag : u16 {
  // Of a header: the file begins with frames that an older, abandoned file may hold as well, and
  // may end, after a kill, before that one does.
  kRepeatsFrames = 1,
};
inline constexpr u16 kKnownFrameFlags = kRepeatsFrames;

// The on-disk form, little-endian:
//
//   offset  field
//    0      u32 magic            "SLSG"
//    4      u8  version          1
//    5      u8  kind             FrameKind
//    6      u16 flags            FrameFlag; a reader refuses a frame with a flag it does not know
//    8      u32 payload_bytes    a multiple of 8, at most kPayloadBytesMax
//   12      u32 crc              CRC32C of header and payload, this field taken as zero
//   16      u64 segment_id       random, the same in every frame of a file
//   24      u64 first_sequence   of the first record; the next one to come where there is none
//   32      u32 sequence_count   sequences that this frame accounts for (records and skipped)
//   36      u32 record_count     records with a sequence
//   40      u32 caller_count     of these, records that callers wrote (site 16 and above)
//   44      u32 step             the frame's offset in the file / 64
//   48      u8  region_id[16]    where the sequences come from
struct FrameHeader {
  u32 magic;
  u8 version;
  u8 kind;
  u16 flags;
  u32 payload_bytes;
  u32 crc;
  u64 segment_id;
  u64 first_sequence;
  u32 sequence_count;
  u32 record_count;
  u32 caller_count;
  u32 step;
  RegionId region_id;

  [[nodiscard]] FrameKind frame_kind() const { return FrameKind(kind); }
  [[nodiscard]] u64 end_sequence() const { return first_sequence + sequence_count; }
};
static_assert(sizeof(FrameHeader) == 64);
static_assert(offsetof(FrameHeader, crc) == 12);
static_assert(offsetof(FrameHeader, segment_id) == 16);
static_assert(offsetof(FrameHeader, sequence_count) == 32);
static_assert(offsetof(FrameHeader, region_id) == 48);

inline constexpr u32 kFrameMagic = 0x47534c53;  // "SLSG"
inline constexpr u8 kFrameVersion = 1;
inline constexpr u32 kFrameStep = 64;
inline constexpr u32 kFrameHeaderBytes = 64;
// A frame is closed before it grows past this, header included.
inline constexpr u32 kFrameBytes = 64 * 1024;
// One longest record and any definitions it needs: the only frames above kFrameBytes.
inline constexpr u32 kPayloadBytesMax = kRecordBytesMax + 64 * 1024;
inline constexpr u32 kFrameBytesMax = kFrameHeaderBytes + kPayloadBytesMax;
static_assert(kFrameBytesMax % kFrameStep == 0);

// Why bytes are not a frame of this segment.
enum class FrameFault : u8 {
  kNone = 0,
  kNoMagic,
  kBadHeader,     // the magic is there, but a field is impossible
  kOtherVersion,  // a version or flag that this reader does not know
  kOtherSegment,
  kMisplaced,  // a frame that belongs elsewhere in the file
  kCutShort,   // the file ends inside it
  kBadCrc,
  kBadPayload,  // the CRC holds, but the records do not add up
  kUnreadable,  // the file could not be read here
};
[[nodiscard]] std::string_view frame_fault_name(FrameFault fault);

// Records that define and have no sequence.
[[nodiscard]] constexpr bool is_definition(u32 site) {
  return site >= kSiteThread && site <= kSiteRun;
}

[[nodiscard]] constexpr u64 frame_extent(const FrameHeader& header) {
  return round_up(u64{kFrameHeaderBytes} + header.payload_bytes, kFrameStep);
}

// Makes the frame at `frame` (header filled in, payload behind it) one of segment `segment_id` at
// `offset`: sets id, step and CRC. May be repeated for another file.
void stamp_frame(std::byte* frame, u64 segment_id, u64 offset);

// Whether the header alone could be a frame at `offset`. `segment_id` null: any.
[[nodiscard]] FrameFault check_header(const FrameHeader& untrusted, u64 offset,
                                      const u64* segment_id);

// Whether CRC, record sizes and counts of header and payload agree. `payload` has payload_bytes.
[[nodiscard]] FrameFault check_payload(const FrameHeader& untrusted, ByteView payload);

// How many sequences the skip record at `record` stands for. The record is of checked size.
[[nodiscard]] u64 skipped_sequences(const std::byte* record);
inline constexpr u32 kSkipRecordBytes = kRecordHeaderBytes + 8;

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_FRAME_H_
