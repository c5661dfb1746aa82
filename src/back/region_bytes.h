// Words of a region that lie behind its areas, wherever its bytes are: in this process, or in the
// file of another one.
#ifndef SLUICE_SRC_BACK_REGION_BYTES_H_
#define SLUICE_SRC_BACK_REGION_BYTES_H_

#include <functional>

#include "region/region.h"

namespace sluice::back {

// `bytes` at `offset` of the region, a multiple of 8; false: they are not within it, or cannot be
// reached now. Places are those that the region itself names: nothing is believed.
struct RegionBytes {
  std::function<bool(u64 offset, void* to, u64 bytes)> read;
  std::function<bool(u64 offset, const void* from, u64 bytes)> write;

  // Of a region that is mapped; it must outlive this.
  [[nodiscard]] static RegionBytes of(region::Region& region);
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_REGION_BYTES_H_
