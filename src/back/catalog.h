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
  const Site* site(u32 id) {
    const Site* const known = sites_.find(id);
    return known != nullptr ? known : take_in(id);
  }
  // Dotted name of a logger by its index in the region; empty for the root and for bad indexes.
  std::string_view logger(u32 index);

  // Puts together all that is known of `record`, into members of this catalog that `entry()` and
  // `view()` give until the next call. False: the record does not fit its site.
  bool describe(const BatchView& batch, const BatchRecord& record) {
    const RecordHeader header = record.header();
    site_ = site(header.site);
    if (!site_ || !RecordView::parse(record.bytes, *site_, view_)) return false;
    // Its message names the site that it is about.
    if (header.site == kSiteDropReport) (void)site(u32(view_.word(0)));
    sequence_ = record.sequence;
    if (batch_ != batch.first_sequence() || thread_.slot != header.slot()) {
      describe_thread(batch, header.slot());
    }
    return true;
  }
  [[nodiscard]] Entry entry() {
    // Not kept in a member: to load at once what was just stored in halves takes 5 ns.
    const u32 logger_index = view_.logger_id();
    return Entry{.record = view_,
                 .site = *site_,
                 .sequence = sequence_,
                 .wall_ns = clock_.wall_of(view_.header().ticks),
                 .thread = thread_name_,
                 .logger = logger_index ? logger(logger_index) : std::string_view(site_->logger),
                 .run = &run_,
                 .sites = &sites_,
                 .clock = &clock_};
  }

  // Clock of a batch.
  [[nodiscard]] static TickClock clock_of(const BatchHeader& header);

 private:
  // The site's definition from the region, into sites_.
  const Site* take_in(u32 id);
  void describe_thread(const BatchView& batch, u16 slot);

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
  ThreadName thread_name_;  // into thread_
};

}  // namespace sluice::back

#endif  // SLUICE_SRC_BACK_CATALOG_H_
