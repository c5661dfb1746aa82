// Records that a sink makes itself, so that they look like all others in its output.
//
// Threading: single-owner. No failure: the sites used here fit what is put in.
#ifndef SLUICE_SRC_SINK_OWN_RECORD_H_
#define SLUICE_SRC_SINK_OWN_RECORD_H_

#include <initializer_list>
#include <optional>
#include <vector>

#include "back/catalog.h"
#include "record/entry.h"

namespace sluice::sink {

class OwnRecord {
 public:
  // `sink` missed caller records: now, and in all.
  const Entry& gap(const back::Catalog& catalog, std::string_view sink, u64 missed_now,
                   u64 missed_in_all);
  // The `records` from `sequence` on cannot be read. `site`: of the first, as far as it can be
  // known.
  const Entry& damage(const back::Catalog& catalog, u64 sequence, u64 records, u32 site,
                      i64 wall_ns);

 private:
  const Entry& make(const back::Catalog& catalog, const Site& site,
                    std::initializer_list<Value> values, u64 sequence, i64 wall_ns);

  std::vector<std::byte> bytes_;
  RecordView view_;
  std::optional<Entry> entry_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_OWN_RECORD_H_
