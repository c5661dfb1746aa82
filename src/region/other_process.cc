// What a region has to do with another process than its owner's: copies, and who consumes.
#include <algorithm>
#include <cerrno>

#include "os/memory.h"
#include "region/region.h"

namespace sluice::region {

int Region::take_copy(void* at, u64 bytes, u64 room) {
  base_ = static_cast<char*>(at);
  reserved_ = room;
  mapped_ = std::min(bytes, room) / os::kPageBytes * os::kPageBytes;
  adopted_ = true;
  fd_ = -1;
  header_ = reinterpret_cast<RegionHeader*>(base_);
  const int result = check_header();
  exists_ = result == 0;
  return result;
}

u64 Region::end_of_areas() const {
  u64 end = os::kPageBytes;
  for (u32 kind = 1; kind < kAreasMax; ++kind) end = std::max(end, offsets_[kind] + lengths_[kind]);
  return end;
}

int Region::give_up_consumer() {
  return shared() ? os::real_io().unlock(fd_, kConsumerLock) : -EBADF;
}

int Region::take_consumer() {
  return shared() ? os::real_io().lock(fd_, kConsumerLock, false) : -EBADF;
}

}  // namespace sluice::region
