// Edits to the region file of a dead process (tests/region/edited_image.h): adopt(), the merge, the
// journal's readers, the catalog and both renderings must cope with every one. Undone after every
// input by writing the image anew.
#include <cstdio>

#include "region/drain.h"
#include "region/edited_image.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  static test::EditedImage image;
  std::string bytes = image.bytes;
  const std::size_t edits = std::min(size / test::kEditBytes, test::kEditsMax);
  for (std::size_t i = 0; i < edits; ++i) {
    const test::Edit edit = test::edit_of(image, data + i * test::kEditBytes);
    std::memcpy(bytes.data() + edit.offset, edit.value, edit.width);
  }
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
