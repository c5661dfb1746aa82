// Rows that come from elsewhere than a journal: from an export, or from logs of other programs.
//
// Within a transaction of a Writer, whose connection it uses: add rows, then finish() before the
// writer's commit. Texts are stored as they are; attributes and context must be JSON objects.
//
// Threading: single-owner. Errors: those of Statement. After a rollback, and when others have
// committed: forget().
#ifndef SLUICE_SRC_STORE_RESTORE_H_
#define SLUICE_SRC_STORE_RESTORE_H_

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "store/row_ids.h"

namespace sluice::storage {

struct SiteRow {
  std::string kind = "log";
  i64 severity = 9;
  std::string logger;
  std::string file;
  i64 line = 0;
  std::string function;
  std::string format;
};

struct RunRow {
  std::string region;  // 16 bytes
  std::string run_id;
  std::string product;
  std::string version;
  std::string host;
  i64 pid = 0;
  i64 started_ns = 0;
  std::optional<i64> ended_ns;
  std::optional<i64> exit_code;
  std::optional<i64> signal;
  std::optional<std::string> reason;
};

// A value of a column that the user added.
using ColumnValue = std::variant<i64, double, std::string>;

struct LogRow {
  i64 time_ns = 0;
  i64 severity = 9;
  std::optional<i64> run;
  std::optional<i64> sequence;
  i64 thread = 0;
  std::optional<i64> site;
  std::string logger;
  std::optional<std::string> event;
  std::string body;
  std::optional<std::string> attributes;
  std::optional<std::string> context;
  std::vector<std::pair<std::string, ColumnValue>> columns;
};

struct PointRow {
  std::string name;
  std::string kind = "gauge";
  std::string unit;
  std::string tags = "{}";
  i64 time_ns = 0;
  std::optional<double> value;
  std::optional<i64> run;
  std::optional<i64> sequence;
  std::optional<i64> weight;  // as points.weight
};

class Restorer {
 public:
  // `connection` must outlive it and have the tables.
  explicit Restorer(Connection& connection) : connection_(connection) {}

  Status prepare();
  // The id of the row, which is made when there is none that is the same (runs: of that region).
  [[nodiscard]] Result<i64> run(const RunRow& row);
  [[nodiscard]] Result<i64> site(const SiteRow& row);
  // Makes the column when there is none of that name. kFatal: it is there with another type, or
  // cannot be made.
  Status column(const CustomColumn& column);
  Status add(const LogRow& row);
  Status add(const PointRow& row);
  // What belongs to the rows that were added: the ranges of their runs.
  Status finish();
  void forget();

  // Columns that rows had and the store has not; said by the caller.
  [[nodiscard]] const std::vector<std::string>& missing_columns() const { return missing_; }

 private:
  Status look_for_columns();
  void bind_columns(const LogRow& row);

  Connection& connection_;
  Statement insert_run_, find_run_, insert_log_, insert_point_, widen_run_;
  RowIds ids_;
  std::map<i64, std::pair<i64, i64>> ranges_;  // of runs in this transaction
  std::unordered_map<std::string, i64> sites_;
  std::unordered_map<std::string, i64> series_;
  std::vector<CustomColumn> columns_;
  bool columns_known_ = false;
  std::vector<std::string> missing_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_RESTORE_H_
