#include "back/region_bytes.h"

namespace sluice::back {
namespace {

constexpr u64 kPage = 4096;

char* place(const region::Region& region, u64 offset, u64 bytes) {
  const u64 within = offset % kPage;
  char* const page = offset % 8 == 0 ? region.chunk(offset - within, within + bytes) : nullptr;
  return page == nullptr ? nullptr : page + within;
}

}  // namespace

RegionBytes RegionBytes::of(region::Region& region) {
  return {[&region](u64 offset, void* to, u64 bytes) {
            const char* const from = place(region, offset, bytes);
            // relaxed: counters, and words that their places publish
            for (u64 i = 0; from != nullptr && i < bytes; i += 8) {
              store(static_cast<char*>(to) + i,
                    JournalSync::load_word(from + i, std::memory_order_relaxed));
            }
            return from != nullptr;
          },
          [&region](u64 offset, const void* from, u64 bytes) {
            if (offset < region.end_of_areas()) return false;
            char* const to = place(region, offset, bytes);
            // relaxed: for the next consumer, behind a death or the kernel's locks
            for (u64 i = 0; to != nullptr && i < bytes; i += 8) {
              JournalSync::store_word(to + i, load<u64>(static_cast<const char*>(from) + i),
                                      std::memory_order_relaxed);
            }
            return to != nullptr;
          }};
}

}  // namespace sluice::back
