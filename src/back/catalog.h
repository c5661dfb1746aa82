// What a reader of a region's journal knows besides the records: sites, loggers, the run, the
// clock.
//
// Single-owner: every sink has one. Reads the region's dictionary as it needs it and keeps decoded
// sites; bytes from the region are untrusted.
#ifndef SLUICE_SRC_BACK_CATALOG_H_
#define SLUICE_SRC_BACK_CATALOG_H_

#include <string>
#include <vector>

#include "back/batch.h"
#include "record/entry.h"
#include "region/region.h"

namespace sluice::back {

class Catalog {
 public:
  explicit Catalog(const region::Region& region);

  [[nodiscard]] const RunInfo& run() const { return run_; }
  [[nodiscard]] const region::Region& region() const { return region_; }
  [[nodiscard]] const Dictionary& sites() const { return sites_; }
  // A built-in or registered site; nullptr when the region has no sound definition of it.
  const Site* site(u32 id);
  // Dotted name of a logger by its index in the region; empty for the root and for bad indexes.
  std::string_view logger(u32 index);

  // Puts together all that is known of `record`, into members of this catalog that `entry()` and
  // `view()` give until the next call. False: the record does not fit its site.
  bool describe(const BatchView& batch, const BatchRecord& record);
  [[nodiscard]] Entry entry() const;

  // Clock of a batch.
  [[nodiscard]] static TickClock clock_of(const BatchHeader& header);

 private:
  const region::Region& region_;
  RunInfo run_;
  Dictionary sites_;
  std::vector<std::string> loggers_;
  // Of the record described last:
  RecordView view_;
  const Site* site_ = nullptr;
  u64 sequence_ = 0;
  u64 batch_ = ~u64{0};  // first sequence of the batch that clock_ and thread_ belong to
  TickClock clock_;
  BatchThread thread_{};
  std::string_view logger_;
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_CATALOG_H_
