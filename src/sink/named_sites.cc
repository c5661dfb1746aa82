#include "sink/named_sites.h"

#include <algorithm>

namespace sluice::sink {

NamedSites::Rewritten NamedSites::rewrite(ByteView record, const Site* site,
                                          back::Catalog& catalog) {
  constexpr std::size_t kHidden = sizeof(u64);
  if (!site || !(site->flags & SiteFlag::kLoggerIsFirstArg) || site->arguments.empty() ||
      record.size() < kRecordHeaderBytes + kHidden) {
    return {record, site};
  }
  const u32 logger = u32(load<u64>(record.data() + kRecordHeaderBytes));
  auto found = sites_.find({site->id, logger});
  if (found == sites_.end()) {
    const u32 id = kFirstId + u32(sites_.size());
    if (id >= kSiteIdMax) return {record, site};
    Site named = *site;
    named.id = id;
    named.flags = u8(named.flags & ~SiteFlag::kLoggerIsFirstArg);
    named.logger = catalog.logger(logger);
    named.arguments.erase(named.arguments.begin());
    found = sites_.emplace(std::pair(site->id, logger), std::move(named)).first;
  }
  auto header = load<RecordHeader>(record.data());
  header.site = found->second.id;
  header.size_in_words = u16(header.size_in_words - kHidden / 8);
  bytes_.resize(record.size() - kHidden);
  store(bytes_.data(), header);
  std::copy(record.begin() + kRecordHeaderBytes + kHidden, record.end(),
            bytes_.begin() + kRecordHeaderBytes);
  return {bytes_, &found->second};
}

}  // namespace sluice::sink
