// Each check on a frame refuses what it is there for, and nothing else does it in its place.
#include "segment/frame.h"

#include <gtest/gtest.h>

#include "segment_fixture.h"

namespace sluice::testing {
namespace {

constexpr u64 kId = 77;
constexpr u64 kOffset = 640;

// A good frame with two callers' records, a built-in one, a skip of 5 and a definition.
Bytes good_frame() {
  Bytes frame(kFrameHeaderBytes);
  const auto add = [&](const Bytes& record) {
    frame.insert(frame.end(), record.begin(), record.end());
  };
  add(encode_definition(test_clock()));
  add(make_record(16, 0, 1, 40, 1));
  add(make_record(17, 0, 2, 48, 2));
  add(make_record(kSiteVerdict, 0, 3, 40, 3));
  Bytes skip = make_record(kSiteSkipped, 0, 0, kSkipRecordBytes, 0);
  store(skip.data() + kRecordHeaderBytes, u64{5});
  add(skip);
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.version = kFrameVersion;
  header.kind = u8(FrameKind::kData);
  header.payload_bytes = u32(frame.size() - kFrameHeaderBytes);
  header.first_sequence = 100;
  header.sequence_count = 8;
  header.record_count = 3;
  header.caller_count = 2;
  store(frame.data(), header);
  stamp_frame(frame.data(), kId, kOffset);
  return frame;
}

FrameFault check(const Bytes& frame, u64 offset = kOffset, u64 id = kId) {
  const auto header = load<FrameHeader>(frame.data());
  const FrameFault fault = check_header(header, offset, &id);
  if (fault != FrameFault::kNone) return fault;
  if (header.payload_bytes > frame.size() - kFrameHeaderBytes) return FrameFault::kCutShort;
  return check_payload(header, ByteView(frame).subspan(kFrameHeaderBytes, header.payload_bytes));
}

// The fault after one field of the header was changed and the frame stamped again.
template <class T>
FrameFault check_with(T FrameHeader::*field, T value) {
  Bytes frame = good_frame();
  auto header = load<FrameHeader>(frame.data());
  header.*field = value;
  store(frame.data(), header);
  if (header.payload_bytes <= frame.size() - kFrameHeaderBytes) {
    stamp_frame(frame.data(), kId, kOffset);
  }
  return check(frame);
}

TEST(Frame, GoodOneHolds) { EXPECT_EQ(check(good_frame()), FrameFault::kNone); }

TEST(Frame, BelongsToItsSegmentAndPlace) {
  EXPECT_EQ(check(good_frame(), kOffset, kId + 1), FrameFault::kOtherSegment);
  EXPECT_EQ(check(good_frame(), kOffset + kFrameStep), FrameFault::kMisplaced);
}

TEST(Frame, ImpossibleHeadersAreRefused) {
  EXPECT_EQ(check_with(&FrameHeader::magic, 1u), FrameFault::kNoMagic);
  EXPECT_EQ(check_with(&FrameHeader::version, u8{2}), FrameFault::kOtherVersion);
  EXPECT_EQ(check_with(&FrameHeader::flags, u16{2}), FrameFault::kOtherVersion);
  EXPECT_EQ(check_with(&FrameHeader::flags, u16{kRepeatsFrames}), FrameFault::kNone);
  EXPECT_EQ(check_with(&FrameHeader::kind, u8{0}), FrameFault::kBadHeader);
  EXPECT_EQ(check_with(&FrameHeader::kind, u8{5}), FrameFault::kBadHeader);
  EXPECT_EQ(check_with(&FrameHeader::payload_bytes, kPayloadBytesMax + 8), FrameFault::kBadHeader);
  EXPECT_EQ(check_with(&FrameHeader::payload_bytes, 20u), FrameFault::kBadHeader);
  EXPECT_EQ(check_with(&FrameHeader::first_sequence, ~u64{0}), FrameFault::kBadHeader);
}

TEST(Frame, RecordsMustAddUpAlthoughTheCrcHolds) {
  EXPECT_EQ(check_with(&FrameHeader::sequence_count, 9u), FrameFault::kBadPayload);
  EXPECT_EQ(check_with(&FrameHeader::record_count, 2u), FrameFault::kBadPayload);
  EXPECT_EQ(check_with(&FrameHeader::caller_count, 3u), FrameFault::kBadPayload);
  EXPECT_EQ(check_with(&FrameHeader::payload_bytes, 8u), FrameFault::kBadPayload);
  for (const u16 words : {u16{0}, u16{1}, u16{0xffff}}) {
    Bytes frame = good_frame();
    store(frame.data() + kFrameHeaderBytes, words);
    stamp_frame(frame.data(), kId, kOffset);
    EXPECT_EQ(check(frame), FrameFault::kBadPayload) << words;
  }
}

TEST(Frame, EveryByteIsUnderTheCrc) {
  const Bytes good = good_frame();
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes frame = good;
    frame[i] ^= std::byte{0x10};
    EXPECT_NE(check(frame), FrameFault::kNone) << i;
  }
}

}  // namespace
}  // namespace sluice::testing
