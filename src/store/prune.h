// Retention: takes the oldest rows out of a store, in bounded steps, while others write it.
//
// A step is one short transaction: rows go 32 at a time until kStepNs is over, so it is sized by
// the clock and holds the write lock for that long and the commit (docs/reliability.md has what was
// measured). Nothing is remembered in the file: whoever comes after a kill looks at what is there
// and goes on.
//
// Oldest: of records by their time, of the other tables as they were stored. Rows go first, then
// what nobody refers to any more (series, call sites, runs; the run of a file that was imported
// stays, it says what has been taken), then the pages that this has freed.
//
// The newest row of a table stays, whatever its age: the next one gets the highest id plus one, so
// no id is given twice, and who follows a table by ids misses no row.
//
// Two ways:
//   kOnce    until every bound holds just so: exact, and what is unused goes at once.
//   kPolicy  for a sink that prunes beside its own writing: begins when a bound is passed and goes
//            to 15/16 of it; looks for what is unused every few hours; leaves free pages to new
//            rows unless they are more than an eighth of the file.
//
// Threading: single-owner, as its connection. Blocking: as the disk; a lock of others is not waited
// for (kRetryable). A fork waits for a step.
#ifndef SLUICE_SRC_STORE_PRUNE_H_
#define SLUICE_SRC_STORE_PRUNE_H_

#include <array>
#include <string>
#include <vector>

#include "store/census.h"

namespace sluice::storage {

struct Keep {
  i64 age_ns = 0;           // 0, everywhere: no bound
  u64 rows = 0;             // of each of kGrowingTables
  u64 bytes = 0;            // of the database file
  bool whole_runs = false;  // kOnce: runs that are over go as a whole before rows do

  [[nodiscard]] bool any() const { return age_ns != 0 || rows != 0 || bytes != 0; }
};

struct PruneCounts {
  std::array<u64, kGrowingTables.size()> rows = {};
  u64 runs = 0;
  u64 series = 0;
  u64 sites = 0;
  u64 pages = 0;  // given back to the file system
  u64 steps = 0;
  i64 longest_step_ns = 0;  // with its commit

  [[nodiscard]] u64 all_rows() const;
};

class Pruner {
 public:
  enum class Way : u8 { kOnce, kPolicy };
  static constexpr i64 kStepNs = 10'000'000;

  // `connection` must outlive it and have the tables.
  Pruner(Connection& connection, const Keep& keep, Way way);

  // Does one step. True: there is more to do now. `wall_ns`: the time that ages are reckoned from.
  [[nodiscard]] Result<bool> step(i64 wall_ns);
  // What is beyond the bounds, and would go first, without anything being changed. Bytes are
  // reckoned by the mean size of a row.
  [[nodiscard]] Result<PruneCounts> look(i64 wall_ns);

  [[nodiscard]] const PruneCounts& counts() const { return counts_; }
  // A run that is in use: it stays without rows too.
  void spare_run(i64 run) { spared_run_ = run; }
  // Size of the file when all free pages are given back.
  [[nodiscard]] Result<u64> bytes_in_use();

 private:
  enum class Phase : u8 {
    kIdle,
    kFirstCensus,
    kWholeRuns,
    kAge,
    kRows,
    kBytes,
    kCensus,
    kUnused,
    kVacuum
  };
  struct Table {
    Statement oldest, ends, count, delete_oldest, delete_before, delete_runs;
    // Rows as they were counted when the newest had this id; kept up by what happens since.
    i64 rows = -1;
    i64 last_id = 0;
    i64 passed_id = 0;  // kOnce: ids up to here have been looked at for their age
  };

  // The first column of the only row.
  [[nodiscard]] static Result<i64> ask(Statement& statement);
  Status prepare();
  [[nodiscard]] Result<bool> is_due();
  Status work(i64 until_ns);
  [[nodiscard]] Result<bool> bit(i64 until_ns);
  // Each does a bit; false: nothing is left to do in it.
  [[nodiscard]] Result<bool> delete_old();
  [[nodiscard]] Result<bool> delete_old_of(std::size_t table);
  [[nodiscard]] Result<bool> delete_surplus();
  [[nodiscard]] Result<bool> delete_for_bytes();
  [[nodiscard]] Result<bool> delete_victims();
  [[nodiscard]] Result<bool> delete_unused(i64 until_ns);
  [[nodiscard]] Result<bool> vacuum();
  [[nodiscard]] Result<u64> run_delete(std::size_t table, Statement& statement);
  [[nodiscard]] Result<i64> newest_id(std::size_t table);
  [[nodiscard]] u64 rows_to_go(const Census::Run& run, std::size_t table) const;
  Status choose_victims();
  Status load_candidates();
  Status delete_candidate(std::size_t kind, i64 id);
  [[nodiscard]] bool is_unused(std::size_t kind, i64 id) const;
  // Exact, unless it is no more than `enough`.
  [[nodiscard]] Result<u64> rows_of(std::size_t table, u64 enough);
  Status forget_counts();
  void next_phase();
  [[nodiscard]] bool once() const { return way_ == Way::kOnce; }
  [[nodiscard]] u64 goal(u64 bound) const { return once() ? bound : bound - bound / 16; }

  Connection& connection_;
  const Keep keep_;
  const Way way_;
  PruneCounts counts_;
  Phase phase_ = Phase::kIdle;
  bool prepared_ = false;
  bool done_ = false;  // kOnce: all of it
  i64 horizon_ns_ = 0;
  i64 spared_run_ = 0;
  std::array<Table, kGrowingTables.size()> tables_;
  i64 data_version_ = -1;  // of the file, when rows were counted

  Census census_;
  i64 next_census_ns_ = 0;
  std::vector<i64> victim_runs_;
  std::string victims_;  // the same as a JSON array
  std::array<std::array<i64, 2>, kGrowingTables.size()> victim_ids_ = {};  // first and last
  std::array<i64, kGrowingTables.size()> newest_ids_ = {};                 // when they were chosen
  // Series, sites, runs that no row referred to when the census was complete; not yet deleted.
  std::array<std::vector<i64>, 3> candidates_;
  bool candidates_loaded_ = false;

  Statement begin_, commit_, rollback_, version_, page_count_, free_pages_;
  i64 page_bytes_ = 0;
  bool can_vacuum_ = false;
  u64 vacuum_pages_ = 16;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_PRUNE_H_
