// Call sites whose logger travels in the record, for readers that have no table of loggers: each
// pair of site and logger becomes a site of its own, and its records lose the hidden argument.
//
// Threading: single-owner. Failure: none; a record that cannot be rewritten stays as it is.
#ifndef SLUICE_SRC_SINK_NAMED_SITES_H_
#define SLUICE_SRC_SINK_NAMED_SITES_H_

#include <map>
#include <utility>
#include <vector>

#include "back/catalog.h"

namespace sluice::sink {

class NamedSites {
 public:
  // Ids of a region's own sites are below this (Options::sites_max).
  static constexpr u32 kFirstId = 65536;

  struct Rewritten {
    ByteView bytes;    // valid until the next call
    const Site* site;  // valid as long as this object
  };
  // `record` as parsed by nobody yet, `site` its site.
  Rewritten rewrite(ByteView record, const Site* site, back::Catalog& catalog);

 private:
  std::map<std::pair<u32, u32>, Site> sites_;  // by site and logger
  std::vector<std::byte> bytes_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_NAMED_SITES_H_
