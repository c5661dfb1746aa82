// Records as rows: which table, which columns, which of them are known already.
//
// Threading: single-owner, within a transaction of its connection. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_ROWS_H_
#define SLUICE_SRC_STORE_ROWS_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/summary.h"
#include "store/row_ids.h"

namespace sluice::storage {

class Rows {
 public:
  // `connection` must outlive it and have the tables.
  explicit Rows(Connection& connection);
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  Status prepare();
  // At the start of a transaction: takes in the columns that users have added.
  Status begin(i64 run);
  Status add(const Entry& entry);
  // The rows of `records` added since begin(): the first and the last; 0: none.
  [[nodiscard]] i64 first_record() const { return first_record_; }
  [[nodiscard]] i64 last_record() const { return last_record_; }
  // After a transaction that failed: its rows are not there.
  void forget();
  // Sites and series may have gone: they are looked up again.
  void forget_ids();

 private:
  struct KnownSite;

  Status look_for_columns();
  Status add_record(const Entry& entry, KnownSite& site);
  Status add_point(const Entry& entry, KnownSite& site);
  Status add_summary(const Entry& entry);
  Status add_state(const Entry& entry, KnownSite& site);
  Status add_track(const Entry& entry, KnownSite& site);
  Status add_param(const Entry& entry, KnownSite& site);
  Status add_file(const Entry& entry, KnownSite& site);
  Status note_end(const Entry& entry);
  [[nodiscard]] Result<i64> id_of_site(const Entry& entry);
  [[nodiscard]] Result<i64> id_of_series(const Entry& entry, KnownSite& site);
  // Texts of the record that is being added, in buffers of their own; empty: none.
  [[nodiscard]] std::string_view body_of(const Entry& entry, KnownSite& site);
  [[nodiscard]] std::string_view fields_of(const Entry& entry, const KnownSite& site);
  [[nodiscard]] std::string_view context_of(const Entry& entry);
  void bind_custom_columns(const Entry& entry);

  Connection& connection_;
  i64 run_ = 0;
  i64 first_record_ = 0;
  i64 last_record_ = 0;
  i64 schema_cookie_ = -1;
  std::vector<WeightedValue> samples_;
  u64 ids_known_ = 1;  // steps when the ids of sites are not to be trusted any more
  std::vector<CustomColumn> columns_;
  std::vector<std::string> column_texts_;
  SiteCache<KnownSite> sites_;
  std::unordered_map<std::string, i64> series_;
  std::string series_key_;
  TextBuffer body_, fields_, context_;

  Statement insert_record_, insert_point_, insert_state_, merge_state_;
  Statement insert_track_, insert_param_, insert_file_;
  Statement note_end_;
  RowIds ids_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_ROWS_H_
