// Edits to a region file (tests/region/edited_image.h) before a collector takes it and between the
// turns of its drain: the mirror must cope with every one, the file it writes back with the
// next collector, and one that only reads with both.
#include <cstdio>

#include "collector/support/mirror_drain.h"
#include "region/edited_image.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  static test::EditedImage image;
  // Who drained it last may have removed it, or cut its journal off: a file of its own each time.
  ::unlink(image.path.c_str());
  ::close(image.fd);
  image.fd = ::open(image.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (::pwrite(image.fd, image.bytes.data(), image.bytes.size(), 0) !=
      ssize_t(image.bytes.size())) {
    std::abort();
  }
  const std::size_t edits = std::min(size / test::kEditBytes, test::kEditsMax);
  const auto between = [&](u32 turn) {
    for (std::size_t i = 0; i < edits; ++i) {
      const test::Edit edit = test::edit_of(image, data + i * test::kEditBytes);
      if (edit.turn != turn) continue;
      if (::pwrite(image.fd, edit.value, edit.width, off_t(edit.offset)) < 0) std::abort();
    }
  };
  between(0);
  const test::Drained drained = test::drain_by_mirror(
      image.path, "/store.db", [&](int turn) { between(turn == 0 ? 8U : u32(turn)); });
  // Unedited it must be whole, or nothing here is tested.
  if (edits == 0 && (drained.adopted != 0 || drained.callers < 200)) {
    std::fprintf(stderr, "the image itself is not drained: %d, callers %llu\n", drained.adopted,
                 static_cast<unsigned long long>(drained.callers));
    std::abort();
  }
  (void)test::drain_by_mirror(image.path, "/other.db", [](int) {});
  (void)test::read_by_mirror(os::real_io(), image.path, region::kSinksMax - 1,
                             [&](int turn) { between(u32(turn)); });
  return 0;
}
