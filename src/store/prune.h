// Retention: takes the oldest rows out of a store, in bounded steps, while others write it.
//
// A step is one short transaction: rows go some at a time until the clock says so. How long that
// is, store/step_size.h reckons from what the last steps took with their commits, so that the write
// lock is held for about StepSize::kWholeNs, as far as a commit takes what the last one took
// (docs/reliability.md has what was measured). Whatever reads more than that needs, counts rows or
// looks for what is unused, reads it in steps without the lock. Nothing is remembered in the file:
// whoever comes after a kill looks at what is there and goes on.
//
// Oldest: of records by their time, of the other tables as they were stored. Rows go first, then
// what nobody refers to any more (series, call sites, runs; the run of a file that was imported
// stays, it says what has been taken), then the pages that this has freed. Parts of the full-text
// index whose rows have gone are dropped, one a step.
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
#include <unordered_set>
#include <vector>

#include "os/process.h"
#include "store/census.h"
#include "store/row_count.h"
#include "store/step_size.h"

namespace sluice::storage {

struct Keep {
  i64 age_ns = 0;           // 0, everywhere: no bound
  u64 rows = 0;             // of each of kGrowingTables
  u64 bytes = 0;            // of the database file
  bool whole_runs = false;  // runs that are over go as a whole before rows do

  [[nodiscard]] bool any() const { return age_ns != 0 || rows != 0 || bytes != 0; }
};

struct PruneCounts {
  std::array<u64, kGrowingTables.size()> rows = {};
  u64 runs = 0;
  u64 series = 0;
  u64 sites = 0;
  u64 pages = 0;  // given back to the file system
  u64 steps = 0;
  i64 longest_step_ns = 0;  // with its commit; the lock is held no longer

  [[nodiscard]] u64 all_rows() const;
};

class Pruner {
 public:
  enum class Way : u8 { kOnce, kPolicy };
  using Clock = RowCount::Clock;  // monotonic, in nanoseconds

  // `connection` must outlive it and have the tables.
  Pruner(Connection& connection, const Keep& keep, Way way, Clock now = os::monotonic_ns);

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
    kCount,  // without the lock, as the next and kCensus
    kFirstCensus,
    kWholeRuns,
    kAge,
    kRows,
    kText,
    kBytes,
    kCensus,
    kUnused,
    kVacuum
  };
  struct Table {
    Statement oldest, delete_oldest, delete_before, delete_run;
    RowCount count;
    bool over = false;  // the bound on rows, when they were counted
    i64 passed_id = 0;  // kOnce: ids up to here have been looked at for their age
  };
  // A run that goes as a whole: its ids in each table that are still to be looked at.
  struct Victim {
    i64 run = 0;
    std::array<RowCount::Ends, kGrowingTables.size()> ids = {};
  };

  // The first column of the only row.
  [[nodiscard]] static Result<i64> ask(Statement& statement);
  Status prepare();
  [[nodiscard]] Result<bool> is_due();
  // What a phase reads before it takes the lock, or instead. False: it goes on with the next step.
  [[nodiscard]] Result<bool> read_ahead();
  [[nodiscard]] Result<bool> count_rows(i64 until_ns);
  Status work(i64 until_ns);
  [[nodiscard]] Result<bool> bit(i64 until_ns);
  // Each does a bit; false: nothing is left to do in it.
  [[nodiscard]] Result<bool> delete_old();
  [[nodiscard]] Result<bool> delete_old_of(std::size_t table);
  [[nodiscard]] Result<bool> delete_surplus();
  [[nodiscard]] Result<bool> delete_for_bytes();
  [[nodiscard]] Result<bool> delete_victims();
  [[nodiscard]] Result<bool> drop_text_part();
  [[nodiscard]] Result<bool> delete_unused(i64 until_ns);
  [[nodiscard]] Result<bool> vacuum();
  [[nodiscard]] Result<u64> run_delete(std::size_t table, Statement& statement);
  [[nodiscard]] u64 rows_to_go(const Census::Run& run, std::size_t table) const;
  Status choose_victims();
  [[nodiscard]] Result<bool> load_candidates(i64 until_ns);
  [[nodiscard]] Result<bool> load_some_candidates(std::size_t kind);
  Status delete_candidate(std::size_t kind, i64 id);
  [[nodiscard]] bool is_unused(std::size_t kind, i64 id) const;
  Status look_at_others();
  void next_phase();
  [[nodiscard]] bool once() const { return way_ == Way::kOnce; }
  [[nodiscard]] u64 goal(u64 bound) const { return once() ? bound : bound - bound / 16; }

  Connection& connection_;
  const Keep keep_;
  const Way way_;
  const Clock now_;
  PruneCounts counts_;
  StepSize step_size_;
  PieceSize piece_size_;
  Phase phase_ = Phase::kIdle;
  bool prepared_ = false;
  bool done_ = false;     // kOnce: all of it
  bool certain_ = false;  // that a bound is passed; else rows are to be counted first
  i64 horizon_ns_ = 0;
  i64 next_age_ns_ = 0;  // a policy of whole runs: when it looks at ages
  i64 spared_run_ = 0;
  std::array<Table, kGrowingTables.size()> tables_;
  bool records_went_ = true;  // since it was asked which parts of the text index have none
  i64 data_version_ = -1;     // of the file, when rows were counted

  Census census_;
  i64 next_census_ns_ = 0;
  std::vector<Victim> victims_;                             // the next one last
  std::array<i64, kGrowingTables.size()> newest_ids_ = {};  // when they were chosen
  std::unordered_set<i64> gone_runs_;                       // as a whole: their parameters go too
  // Series, sites, runs that no row referred to when the census was complete; not yet deleted.
  std::array<std::vector<i64>, 3> candidates_;
  std::array<i64, 3> candidates_after_ = {};  // ids up to here have been looked at
  std::size_t candidates_kind_ = 0;           // the next to be looked at

  Statement begin_, commit_, rollback_, version_, page_count_, free_pages_;
  i64 page_bytes_ = 0;
  bool can_vacuum_ = false;
  u64 vacuum_pages_ = 16;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_PRUNE_H_
