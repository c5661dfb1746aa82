// Who still has rows: a pass over the tables in bounded windows that finds the runs, call sites and
// series that rows refer to, so that those nobody refers to can go.
//
// Runs have no index on most tables, and should not: they would cost every insert. A pass reads
// each row once, a window at a time, and holds no lock between windows. What is added meanwhile has
// higher ids (SQLite gives the highest plus one), so a pass is brought up to date, within the
// transaction that relies on it, by looking at the ids above those it has seen.
//
// Threading: single-owner. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_CENSUS_H_
#define SLUICE_SRC_STORE_CENSUS_H_

#include <array>
#include <unordered_map>
#include <unordered_set>

#include "store/sqlite.h"

namespace sluice::storage {

// The tables that grow, whose rows are oldest first by id (records: have an index by time too).
inline constexpr std::array<const char*, 5> kGrowingTables = {"records", "points", "states",
                                                              "tracks", "files"};
inline constexpr std::size_t kRecordsTable = 0;

class Census {
 public:
  // The rows of a run in one table.
  struct Share {
    i64 rows = 0;
    i64 first_id = 0;
    i64 last_id = 0;
  };
  struct Run {
    std::array<Share, kGrowingTables.size()> shares = {};
    i64 last_ns = 0;  // of its newest row
  };

  // `connection` must outlive it and have the tables.
  explicit Census(Connection& connection) : connection_(connection) {}

  // Reads on until the clock says so. True: all there is has been read.
  [[nodiscard]] Result<bool> read_until(i64 until_ns, i64 (*now)());
  void start_over();
  // Its rows have gone.
  void forget_run(i64 id) { runs_.erase(id); }

  [[nodiscard]] const std::unordered_map<i64, Run>& runs() const { return runs_; }
  [[nodiscard]] bool has_site(i64 id) const { return sites_.contains(id); }
  [[nodiscard]] bool has_series(i64 id) const { return series_.contains(id); }

 private:
  Status prepare();
  Status read_window(std::size_t table);

  Connection& connection_;
  std::array<Statement, kGrowingTables.size()> windows_;
  std::array<i64, kGrowingTables.size()> seen_ = {};  // the highest id that was read
  std::unordered_map<i64, Run> runs_;
  std::unordered_set<i64> sites_;
  std::unordered_set<i64> series_;
  bool at_end_ = false;  // of the table whose window was read last
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_CENSUS_H_
