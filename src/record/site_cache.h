// What a renderer works out once per call site, found again by the site's address.
//
// Threading: single-owner. clear() must be called after Dictionary::clear(), because a new site may
// get an old one's address. Limit: kEntriesMax sites, then the cache starts again from nothing.
#ifndef SLUICE_SRC_RECORD_SITE_CACHE_H_
#define SLUICE_SRC_RECORD_SITE_CACHE_H_

#include <memory>
#include <utility>
#include <vector>

#include "record/site.h"

namespace sluice {

template <class T>
class SiteCache {
 public:
  static constexpr std::size_t kEntriesMax = std::size_t{1} << 20;

  SiteCache() = default;
  SiteCache(SiteCache&&) = default;
  SiteCache& operator=(SiteCache&&) = default;

  // The cached value of `site`; make(site) gives it as a std::unique_ptr<T> the first time.
  template <class Make>
  [[nodiscard]] T& of(const Site& site, Make&& make) {
    if (&site == last_site_) return *last_;
    if (slots_.empty() || 2 * used_ >= slots_.size()) grow();
    Slot& slot = find(&site);
    if (slot.site == nullptr) {
      slot.value = make(site);
      slot.site = &site;
      ++used_;
    }
    last_site_ = &site;
    last_ = slot.value.get();
    return *last_;
  }

  void clear() {
    slots_.clear();
    used_ = 0;
    last_site_ = nullptr;
    last_ = nullptr;
  }

 private:
  struct Slot {
    const Site* site = nullptr;
    std::unique_ptr<T> value;
  };

  Slot& find(const Site* site) {
    // Fibonacci hashing: addresses differ in the middle bits.
    const u64 hash = u64(reinterpret_cast<std::uintptr_t>(site)) * 0x9e3779b97f4a7c15u;
    std::size_t at = std::size_t(hash >> 32) & (slots_.size() - 1);
    while (slots_[at].site != nullptr && slots_[at].site != site)
      at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }

  void grow() {
    if (used_ >= kEntriesMax) clear();
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (Slot& slot : old) {
      if (slot.site != nullptr) find(slot.site) = std::move(slot);
    }
  }

  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  std::size_t used_ = 0;
  const Site* last_site_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_SITE_CACHE_H_
