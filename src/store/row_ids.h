// Statements that rows of records and rows from elsewhere share: how they get into the tables, and
// the ids of what is there once (call sites, series).
//
// Threading: single-owner, as the connection, within a transaction of it. Errors: those of
// Statement.
#ifndef SLUICE_SRC_STORE_ROW_IDS_H_
#define SLUICE_SRC_STORE_ROW_IDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "store/schema.h"

namespace sluice::storage {

// time_ns, severity, run, sequence, thread, site, logger, event, body, attributes, context; then
// the columns of users.
inline constexpr int kOwnRecordMarks = 11;
[[nodiscard]] std::string insert_record_sql(const std::vector<CustomColumn>& custom);
inline constexpr char kInsertPoint[] =
    "INSERT INTO points(series, time_ns, value, run, sequence, weight) VALUES(?, ?, ?, ?, ?, ?)";

// Runs `insert` (which does nothing when it is there) and gives what `find` finds.
[[nodiscard]] Result<i64> insert_and_find(Statement& insert, Statement& find);

struct SiteTexts {
  std::string_view kind;
  i64 severity = 0;
  std::string_view logger;
  std::string_view file;
  i64 line = 0;
  std::string_view function;
  std::string_view format;
};
struct SeriesTexts {
  std::string_view name;
  std::string_view kind;
  std::string_view unit;
  std::string_view tags;  // a JSON object
};

// Makes the row when there is none that is the same.
class RowIds {
 public:
  Status prepare(Connection& connection);
  [[nodiscard]] Result<i64> site(const SiteTexts& texts);
  [[nodiscard]] Result<i64> series(const SeriesTexts& texts);

 private:
  Statement insert_site_, find_site_, insert_series_, find_series_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_ROW_IDS_H_
