// How many rows a table has, without a statement that takes long: they are counted a window at a
// time, up to the newest row there is at the beginning, and kept up from then on by the ids of what
// is stored (SQLite gives the highest plus one) and by what the owner deletes.
//
// What others delete is not known: doubt() says that they may have. Then the count is no less than
// what is there, and has to be made anew before it is relied on. Rows that others take out while it
// is made, from the oldest on, are not counted.
//
// Threading: single-owner. Blocking: as a window of reads. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_ROW_COUNT_H_
#define SLUICE_SRC_STORE_ROW_COUNT_H_

#include <string>
#include <vector>

#include "store/sqlite.h"

namespace sluice::storage {

class RowCount {
 public:
  using Clock = i64 (*)();

  // `by_time`: the table has an index by time, which is smaller than the table.
  Status prepare(Connection& connection, const std::string& table, bool by_time);

  struct Ends {
    i64 first = 0;  // ids; 0: no rows
    i64 last = 0;
  };
  [[nodiscard]] Result<Ends> ends();

  // No more rows than this; just so many where is_exact(), or where the ids have no gaps.
  [[nodiscard]] Result<u64> at_most();
  [[nodiscard]] bool is_exact() const { return exact_; }
  // Counts until the clock says so. True: it is exact.
  [[nodiscard]] Result<bool> count_until(i64 until_ns, Clock now);

  // By the owner; below 0: they are back, after a rollback.
  void removed(i64 rows) {
    if (rows_ >= 0) rows_ -= rows;
    counting_ = false;
  }
  void doubt() { exact_ = false; }

 private:
  // The end of a window, as rows are ordered.
  struct Mark {
    i64 time = 0;
    i64 id = 0;
    i64 counted = 0;  // rows up to here
  };
  Status read_window(bool& at_end);
  [[nodiscard]] Result<i64> counted_and_gone();

  Statement ends_, window_;
  i64 rows_ = -1;  // when the newest had last_id_; -1: never counted
  i64 last_id_ = 0;
  bool exact_ = false;
  // A count that is being made: up to where.
  bool counting_ = false;
  i64 began_last_ = 0;
  i64 counted_ = 0;
  i64 seen_time_ = 0;
  i64 seen_id_ = 0;
  std::vector<Mark> marks_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_ROW_COUNT_H_
