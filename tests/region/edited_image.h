// Edits to the region file of a dead process, for fuzz targets.
//
// The input is a list of edits, 12 bytes each: u8 place, u8 width and turn, u16 offset, u64 value.
// A place is a part of the image where something is believed: the header, an area, the front of the
// journal, a ring.
#ifndef SLUICE_TESTS_REGION_EDITED_IMAGE_H_
#define SLUICE_TESTS_REGION_EDITED_IMAGE_H_

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "region/image.h"
#include "region/layout.h"

namespace sluice::test {

using region::Area;
using region::AreaKind;
using region::RegionHeader;

inline constexpr std::size_t kEditBytes = 12;
inline constexpr std::size_t kEditsMax = 64;

struct Place {
  u64 offset;
  u64 bytes;
};

// The image of a dead process's region, and a file for it.
struct EditedImage {
  std::string bytes = make_image();
  std::vector<Place> places;
  std::string path;
  int fd = -1;

  EditedImage() {
    if (bytes.empty()) std::abort();
    RegionHeader header;
    std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
    places.push_back({0, sizeof header});
    u64 slots = 0;
    for (u32 i = 0; i < header.area_count; ++i) {
      const Area& area = header.areas[i];
      u64 length = std::min<u64>(area.length, 4096);
      if (AreaKind(area.kind) == AreaKind::kThreadSlots) slots = area.offset;
      if (AreaKind(area.kind) == AreaKind::kSinks) length = 512;  // the first entry's words
      places.push_back({area.offset, length});
      if (AreaKind(area.kind) == AreaKind::kJournal) places.push_back({area.offset + 4096, 65536});
    }
    for (u32 i = 0; i < 3; ++i) {
      const auto* slot = bytes.data() + slots + i * sizeof(region::ThreadSlot);
      const u64 chunk = load<u64>(slot + 16);
      if (chunk == 0 || chunk + 8192 > bytes.size()) continue;
      places.push_back({chunk, 4096});
      places.push_back({chunk + 4096, 32 * 1024});
    }
    path = "/dev/shm/sluice-fuzz-" + std::to_string(::getpid()) + ".region";
    fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) std::abort();
  }
  ~EditedImage() { ::unlink(path.c_str()); }
};

struct Edit {
  u64 offset = 0;
  u64 width = 0;  // 0: it lies outside of the file
  u32 turn = 0;   // of the drain, for edits while it runs
  char value[8];
};

inline Edit edit_of(const EditedImage& image, const u8* bytes) {
  const Place& place = image.places[bytes[0] % image.places.size()];
  Edit edit;
  edit.offset = place.offset + load<u16>(bytes + 2) % place.bytes;
  edit.width = u64{1} << (bytes[1] % 4);
  if (edit.offset + edit.width > image.bytes.size()) edit.width = 0;
  edit.turn = bytes[1] / 4 % 8;
  std::memcpy(edit.value, bytes + 4, sizeof edit.value);
  return edit;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_REGION_EDITED_IMAGE_H_
