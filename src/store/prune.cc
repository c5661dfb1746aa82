#include "store/prune.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "os/process.h"

namespace sluice::storage {
namespace {

// Between two looks at the clock: well under a millisecond.
constexpr i64 kBitRows = 32;
constexpr i64 kWindowIds = 256;
constexpr u64 kVacuumPagesMax = 4096;
constexpr i64 kCensusFirstNs = 600'000'000'000;  // after the start of a policy
constexpr i64 kCensusEveryNs = i64{6} * 3600 * 1'000'000'000;

}  // namespace

Result<i64> Pruner::ask(Statement& statement) {
  const Result<bool> row = statement.step();
  if (!row.ok()) return row.status();
  const i64 value = row.value() ? statement.integer(0) : 0;
  statement.reset();
  return value;
}

u64 PruneCounts::all_rows() const { return std::accumulate(rows.begin(), rows.end(), u64{0}); }

Pruner::Pruner(Connection& connection, const Keep& keep, Way way)
    : connection_(connection),
      keep_(keep),
      way_(way),
      census_(connection),
      next_census_ns_(os::monotonic_ns() + kCensusFirstNs) {}

Status Pruner::prepare() {
  if (prepared_) return {};
  Status status;
  const auto make = [&](Statement& to, const std::string& sql) {
    if (status.ok()) status = connection_.prepare_into(to, sql);
  };
  make(begin_, "BEGIN IMMEDIATE");
  make(commit_, "COMMIT");
  make(rollback_, "ROLLBACK");
  make(version_, "PRAGMA data_version");
  make(page_count_, "PRAGMA page_count");
  make(free_pages_, "PRAGMA freelist_count");
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    Table& table = tables_[i];
    const std::string name = kGrowingTables[i];
    const bool by_time = i == kRecordsTable;
    const std::string order = by_time ? "time_ns, id" : "id";
    // A '+' keeps SQLite from going by it.
    const std::string but_newest = "+id < (SELECT max(id) FROM " + name + ")";
    make(table.oldest, "SELECT time_ns FROM " + name + " WHERE " + but_newest + " ORDER BY " +
                           order + " LIMIT 1");
    make(table.ends,
         "SELECT (SELECT min(id) FROM " + name + "), (SELECT max(id) FROM " + name + ")");
    make(table.count, "SELECT count(*) FROM " + name);
    make(table.delete_oldest, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                  " WHERE " + but_newest + " ORDER BY " + order + " LIMIT ?1)");
    if (by_time && !keep_.whole_runs) {
      make(table.delete_before, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                    " WHERE time_ns < ?1 AND " + but_newest +
                                    " ORDER BY time_ns, id LIMIT ?2)");
    } else {
      make(table.delete_before, "DELETE FROM " + name +
                                    " WHERE id BETWEEN ?2 AND ?3 AND time_ns < ?1 AND " +
                                    but_newest + (keep_.whole_runs ? " AND run IS NULL" : ""));
    }
    make(table.delete_runs, "DELETE FROM " + name +
                                " WHERE id BETWEEN ?1 AND ?2 AND run IN"
                                " (SELECT value FROM json_each(?3)) AND " +
                                but_newest);
  }
  if (!status.ok()) return status;
  const Result<i64> page_bytes = connection_.integer_of("PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  const Result<i64> auto_vacuum = connection_.integer_of("PRAGMA auto_vacuum");
  if (!auto_vacuum.ok()) return auto_vacuum.status();
  page_bytes_ = page_bytes.value();
  can_vacuum_ = auto_vacuum.value() == 2;
  prepared_ = true;
  return forget_counts();
}

Status Pruner::forget_counts() {
  const Result<i64> version = ask(version_);
  if (!version.ok()) return version.status();
  // What others have done to the file is not in our counts.
  if (version.value() == data_version_) return {};
  data_version_ = version.value();
  for (Table& table : tables_) table.rows = -1;
  return {};
}

Result<i64> Pruner::newest_id(std::size_t table) {
  Statement& ends = tables_[table].ends;
  const Result<bool> row = ends.step();
  if (!row.ok()) return row.status();
  const i64 id = ends.integer(1);
  ends.reset();
  return id;
}

Result<u64> Pruner::bytes_in_use() {
  Status status = prepare();
  if (!status.ok()) return status;
  const Result<i64> pages = ask(page_count_);
  if (!pages.ok()) return pages.status();
  const Result<i64> free = ask(free_pages_);
  if (!free.ok()) return free.status();
  return u64((pages.value() - free.value()) * page_bytes_);
}

Result<u64> Pruner::rows_of(std::size_t index, u64 enough) {
  Table& table = tables_[index];
  const Result<bool> row = table.ends.step();
  if (!row.ok()) return row.status();
  const i64 first = table.ends.integer(0), last = table.ends.integer(1);
  table.ends.reset();
  const u64 most = last == 0 ? 0 : u64(last - first + 1);
  if (most <= enough) return most;
  if (table.rows < 0 || last < table.last_id) {
    const Result<i64> rows = ask(table.count);
    if (!rows.ok()) return rows.status();
    table.rows = rows.value();
  } else {
    table.rows += last - table.last_id;  // new rows have the ids above
  }
  table.last_id = last;
  return u64(table.rows);
}

// ---- a step ----

void Pruner::next_phase() {
  switch (phase_) {
    case Phase::kIdle:
      census_.start_over();
      candidates_loaded_ = false;
      phase_ = keep_.whole_runs && once() ? Phase::kFirstCensus : Phase::kAge;
      break;
    case Phase::kBytes: {
      const bool census = once() || os::monotonic_ns() >= next_census_ns_;
      if (census) next_census_ns_ = os::monotonic_ns() + kCensusEveryNs;
      census_.start_over();
      phase_ = census ? Phase::kCensus : Phase::kVacuum;
      break;
    }
    case Phase::kVacuum:
      census_.start_over();
      phase_ = Phase::kIdle;
      done_ = once();
      break;
    default:
      phase_ = Phase(u8(phase_) + 1);
  }
}

Result<bool> Pruner::step(i64 wall_ns) {
  const DatabaseUse use;
  Status status = prepare();
  if (!status.ok()) return status;
  if (done_) return false;
  if (phase_ == Phase::kIdle) {
    horizon_ns_ = keep_.age_ns != 0 ? wall_ns - keep_.age_ns : INT64_MIN;
    status = forget_counts();
    if (!status.ok()) return status;
    const Result<bool> due = is_due();
    if (!due.ok() || !due.value()) return due;
    next_phase();
  }
  i64 started = os::monotonic_ns();
  if (phase_ == Phase::kFirstCensus || phase_ == Phase::kCensus) {
    const Result<bool> complete = census_.read_until(started + kStepNs);
    if (!complete.ok() || !complete.value()) return complete.ok() ? Result<bool>(true) : complete;
    if (phase_ == Phase::kFirstCensus) status = choose_victims();
    if (!status.ok()) return status;
    next_phase();
    return true;
  }
  status = begin_.run();
  if (!status.ok()) return status;
  started = os::monotonic_ns();
  const PruneCounts before = counts_;
  status = work(started + kStepNs);
  if (status.ok()) status = commit_.run();
  if (!status.ok()) {
    if (connection_.in_transaction()) (void)rollback_.run();
    counts_ = before;
    phase_ = Phase::kIdle;  // what is there says what is left to do
    done_ = false;
    for (Table& table : tables_) {
      table.rows = -1;
      table.passed_id = 0;
    }
    return status;
  }
  ++counts_.steps;
  counts_.longest_step_ns = std::max(counts_.longest_step_ns, os::monotonic_ns() - started);
  return phase_ != Phase::kIdle;
}

Result<bool> Pruner::is_due() {
  if (once()) return true;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    if (keep_.age_ns != 0) {
      const Result<bool> row = tables_[i].oldest.step();
      if (!row.ok()) return row;
      const bool old = row.value() && tables_[i].oldest.integer(0) < horizon_ns_;
      tables_[i].oldest.reset();
      if (old) return true;
    }
    if (keep_.rows != 0) {
      const Result<u64> rows = rows_of(i, keep_.rows);
      if (!rows.ok()) return rows.status();
      if (rows.value() > keep_.rows) return true;
    }
  }
  if (keep_.bytes == 0) return false;
  const Result<i64> pages = ask(page_count_);
  if (!pages.ok()) return pages.status();
  return u64(pages.value() * page_bytes_) > keep_.bytes;
}

Status Pruner::work(i64 until_ns) {
  while (phase_ != Phase::kIdle && phase_ != Phase::kCensus && os::monotonic_ns() < until_ns) {
    const Result<bool> more = bit(until_ns);
    if (!more.ok()) return more.status();
    if (!more.value()) next_phase();
  }
  return {};
}

Result<bool> Pruner::bit(i64 until_ns) {
  switch (phase_) {
    case Phase::kWholeRuns:
      return delete_victims();
    case Phase::kAge:
      return delete_old();
    case Phase::kRows:
      return delete_surplus();
    case Phase::kBytes:
      return delete_for_bytes();
    case Phase::kUnused:
      return delete_unused(until_ns);
    case Phase::kVacuum:
      return vacuum();
    default:
      return false;
  }
}

// ---- rows ----

Result<u64> Pruner::run_delete(std::size_t index, Statement& statement) {
  const Status status = statement.run();
  if (!status.ok()) return status;
  const i64 gone = connection_.changes();
  if (tables_[index].rows >= 0) tables_[index].rows -= gone;
  counts_.rows[index] += u64(gone);
  return u64(gone);
}

Result<bool> Pruner::delete_old() {
  if (keep_.age_ns == 0) return false;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Result<bool> more = delete_old_of(i);
    if (!more.ok() || more.value()) return more;
  }
  return false;
}

Result<bool> Pruner::delete_old_of(std::size_t index) {
  Table& table = tables_[index];
  table.delete_before.bind(1, horizon_ns_);
  if (index == kRecordsTable && !keep_.whole_runs) {
    table.delete_before.bind(2, kBitRows);
    const Result<u64> gone = run_delete(index, table.delete_before);
    if (!gone.ok()) return gone.status();
    return gone.value() > 0;
  }
  const Result<bool> row = table.ends.step();
  if (!row.ok()) return row.status();
  const i64 first = table.ends.integer(0), last = table.ends.integer(1);
  table.ends.reset();
  if (last == 0) return false;
  // As they were stored is as they are old, mostly; once, all are looked at.
  const i64 from = once() ? std::max(first, table.passed_id + 1) : first;
  if (from > last) return false;
  const i64 to = std::min(last, from + (once() ? kWindowIds : kBitRows) - 1);
  table.delete_before.bind(2, from);
  table.delete_before.bind(3, to);
  const Result<u64> gone = run_delete(index, table.delete_before);
  if (!gone.ok()) return gone.status();
  table.passed_id = to;
  return once() || gone.value() > 0;
}

Result<bool> Pruner::delete_surplus() {
  if (keep_.rows == 0) return false;
  const u64 wanted = goal(keep_.rows);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Result<u64> rows = rows_of(i, wanted);
    if (!rows.ok()) return rows.status();
    if (rows.value() <= wanted) continue;
    tables_[i].delete_oldest.bind(1, std::min(kBitRows, i64(rows.value() - wanted)));
    const Result<u64> gone = run_delete(i, tables_[i].delete_oldest);
    if (!gone.ok()) return gone.status();
    if (gone.value() > 0) return true;
  }
  return false;
}

Result<bool> Pruner::delete_for_bytes() {
  if (keep_.bytes == 0) return false;
  const Result<u64> bytes = bytes_in_use();
  if (!bytes.ok()) return bytes.status();
  if (bytes.value() <= goal(keep_.bytes)) return false;
  std::size_t oldest = tables_.size();
  i64 oldest_ns = 0;
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const Result<bool> row = tables_[i].oldest.step();
    if (!row.ok()) return row;
    const i64 time = tables_[i].oldest.integer(0);
    if (row.value() && (oldest == tables_.size() || time < oldest_ns)) {
      oldest = i;
      oldest_ns = time;
    }
    tables_[i].oldest.reset();
  }
  if (oldest == tables_.size()) return false;
  tables_[oldest].delete_oldest.bind(1, kBitRows);
  const Result<u64> gone = run_delete(oldest, tables_[oldest].delete_oldest);
  if (!gone.ok()) return gone.status();
  return gone.value() > 0;
}

// ---- space ----

Result<bool> Pruner::vacuum() {
  if (!can_vacuum_) return false;
  const Result<i64> pages = ask(page_count_);
  if (!pages.ok()) return pages.status();
  const Result<i64> free = ask(free_pages_);
  if (!free.ok()) return free.status();
  const bool too_large = keep_.bytes != 0 && u64(pages.value() * page_bytes_) > keep_.bytes;
  const bool wanted = once() || too_large || free.value() > pages.value() / 8;
  if (free.value() == 0 || !wanted) return false;
  const i64 started = os::monotonic_ns();
  const Status status =
      connection_.run("PRAGMA incremental_vacuum(" + std::to_string(vacuum_pages_) + ")");
  if (!status.ok()) return status;
  const i64 took = os::monotonic_ns() - started;
  if (took < kStepNs / 8) vacuum_pages_ = std::min(vacuum_pages_ * 2, kVacuumPagesMax);
  if (took > kStepNs / 2) vacuum_pages_ = std::max<u64>(vacuum_pages_ / 2, 4);
  const Result<i64> left = ask(page_count_);
  if (!left.ok()) return left.status();
  counts_.pages += u64(std::max<i64>(pages.value() - left.value(), 0));
  return left.value() < pages.value();
}

}  // namespace sluice::storage
