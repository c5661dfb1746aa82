// Frames made of definitions alone: a file's header, its seal, and the dictionary before either.
//
// Threading: plain function. Allocates in `out` only.
#ifndef SLUICE_SRC_SEGMENT_DICTIONARY_FRAMES_H_
#define SLUICE_SRC_SEGMENT_DICTIONARY_FRAMES_H_

#include <vector>

#include "base/bytes.h"
#include "segment/frame.h"

namespace sluice {

// What the frames are stamped with. `offset` is where the first is going to be.
struct FramePlace {
  u64 segment_id = 0;
  RegionId region_id{};
  u64 offset = 0;
  u64 sequence = 0;  // the next one to come
  u16 flags = 0;     // FrameFlag, of the header
};

// Appends to `out` the frames that hold `run_record` and every record of `sites`, each at most
// kFrameBytes long. The header is the first of its frames, the seal the last of its; the others are
// of kind kDefinitions.
void build_header(const FramePlace& place, ByteView run_record, const std::vector<ByteView>& sites,
                  std::vector<std::byte>& out);
void build_seal(const FramePlace& place, ByteView run_record, const std::vector<ByteView>& sites,
                std::vector<std::byte>& out);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_DICTIONARY_FRAMES_H_
