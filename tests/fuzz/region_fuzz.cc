// Edits to the region file of a dead process: adopt(), the merge, the journal's readers, the
// catalog and both renderings must cope with every one.
//
// The input is a list of edits, 12 bytes each: u8 place, u8 width, u16 offset, u64 value. A place
// is a part of the image where something is believed: the header, an area, the front of the
// journal, a ring. Undone after every input by writing the image anew.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "region/drain.h"
#include "region/image.h"
#include "region/layout.h"

namespace {

using namespace sluice;
using region::Area;
using region::AreaKind;
using region::RegionHeader;

constexpr std::size_t kEditBytes = 12;
constexpr std::size_t kEditsMax = 64;

struct Place {
  u64 offset;
  u64 bytes;
};

struct Image {
  std::string bytes = test::make_image();
  std::vector<Place> places;
  std::string path;
  int fd = -1;

  Image() {
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
    path = "/dev/shm/sluice-region-fuzz-" + std::to_string(::getpid()) + ".region";
    fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) std::abort();
  }
  ~Image() { ::unlink(path.c_str()); }
};

void edit(std::string& bytes, const std::vector<Place>& places, const u8* edit) {
  const Place& place = places[edit[0] % places.size()];
  const u64 width = u64{1} << (edit[1] % 4);
  const u64 offset = place.offset + load<u16>(edit + 2) % place.bytes;
  if (offset + width > bytes.size()) return;
  std::memcpy(bytes.data() + offset, edit + 4, width);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  static Image image;
  std::string bytes = image.bytes;
  const std::size_t edits = std::min(size / kEditBytes, kEditsMax);
  for (std::size_t i = 0; i < edits; ++i) edit(bytes, image.places, data + i * kEditBytes);
  // A file of its own each time: adopt() closes what it opened, and the locks with it.
  if (::ftruncate(image.fd, 0) != 0 ||
      ::pwrite(image.fd, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size())) {
    std::abort();
  }
  const test::Drained drained = test::drain_file(image.path.c_str());
  // Unedited it must be whole, or nothing here is tested.
  if (edits == 0 && (drained.adopted != 0 || drained.callers < 200 || !drained.merged)) {
    std::fprintf(stderr, "the image itself is not drained: adopt %d, callers %llu\n",
                 drained.adopted, static_cast<unsigned long long>(drained.callers));
    std::abort();
  }
  return 0;
}
