#include "store/prune.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "store/text_index.h"

namespace sluice::storage {
namespace {

constexpr i64 kWindowIds = 256;
constexpr u64 kVacuumPagesMax = 512;
constexpr i64 kAgeEveryNs = 1'000'000'000;
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

Pruner::Pruner(Connection& connection, const Keep& keep, Way way, Clock now)
    : connection_(connection),
      keep_(keep),
      way_(way),
      now_(now),
      census_(connection),
      next_census_ns_(now() + kCensusFirstNs) {}

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
    if (status.ok()) status = table.count.prepare(connection_, name, by_time);
    make(table.delete_oldest, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                  " WHERE " + but_newest + " ORDER BY " + order +
                                  " LIMIT min(?1, ?2))");
    if (by_time && !keep_.whole_runs) {
      make(table.delete_before, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                    " WHERE time_ns < ?1 AND " + but_newest +
                                    " ORDER BY time_ns, id LIMIT ?2)");
    } else {
      make(table.delete_before, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                    " WHERE id BETWEEN ?3 AND ?4 AND time_ns < ?1 AND " +
                                    but_newest + (keep_.whole_runs ? " AND run IS NULL" : "") +
                                    " ORDER BY id LIMIT ?2)");
    }
    make(table.delete_run, "DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                               " WHERE id BETWEEN ?3 AND ?4 AND run = ?1 AND " + but_newest +
                               " ORDER BY id LIMIT ?2)");
  }
  if (!status.ok()) return status;
  const Result<i64> page_bytes = connection_.integer_of("PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  const Result<i64> auto_vacuum = connection_.integer_of("PRAGMA auto_vacuum");
  if (!auto_vacuum.ok()) return auto_vacuum.status();
  page_bytes_ = page_bytes.value();
  can_vacuum_ = auto_vacuum.value() == 2;
  prepared_ = true;
  return look_at_others();
}

Status Pruner::look_at_others() {
  const Result<i64> version = ask(version_);
  if (!version.ok()) return version.status();
  // What others have done to the file is not in our counts.
  if (version.value() == data_version_) return {};
  data_version_ = version.value();
  for (Table& table : tables_) table.count.doubt();
  return {};
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

// ---- a step ----

void Pruner::next_phase() {
  // A policy of whole runs goes on with its census, which is dear.
  const bool keeps_census = keep_.whole_runs && !once();
  switch (phase_) {
    case Phase::kIdle:
      if (!keeps_census) census_.start_over();
      phase_ = Phase::kCount;
      break;
    case Phase::kCount:
      phase_ = keep_.whole_runs ? Phase::kFirstCensus : Phase::kAge;
      break;
    case Phase::kBytes: {
      const bool census = once() || now_() >= next_census_ns_;
      if (census) next_census_ns_ = now_() + kCensusEveryNs;
      if (census || !keeps_census) census_.start_over();
      phase_ = census ? Phase::kCensus : Phase::kVacuum;
      break;
    }
    case Phase::kCensus:
      candidates_ = {};
      candidates_after_ = {};
      candidates_kind_ = 0;
      phase_ = Phase::kUnused;
      break;
    case Phase::kVacuum:
      if (!keeps_census) census_.start_over();
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
    status = look_at_others();
    if (!status.ok()) return status;
    const Result<bool> due = is_due();
    if (!due.ok() || !due.value()) return due;
    next_phase();
  }
  const Result<bool> ready = read_ahead();
  if (!ready.ok()) return ready;
  if (!ready.value()) return phase_ != Phase::kIdle;
  status = begin_.run();
  if (!status.ok()) return status;
  const i64 started = now_();
  const PruneCounts before = counts_;
  status = work(started + step_size_.work_ns());
  const i64 worked = now_() - started;
  if (status.ok()) status = commit_.run();
  if (!status.ok()) {
    if (connection_.in_transaction()) (void)rollback_.run();
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      tables_[i].count.removed(i64(before.rows[i]) - i64(counts_.rows[i]));
      tables_[i].passed_id = 0;
    }
    counts_ = before;
    phase_ = Phase::kIdle;  // what is there says what is left to do
    done_ = false;
    census_.start_over();
    records_went_ = true;
    return status;
  }
  const i64 took = now_() - started;
  step_size_.took(worked, took);
  ++counts_.steps;
  counts_.longest_step_ns = std::max(counts_.longest_step_ns, took);
  return phase_ != Phase::kIdle;
}

// Whether a bound is passed, or perhaps: rows that may be too many are counted next.
Result<bool> Pruner::is_due() {
  certain_ = once();
  bool perhaps = false;
  // Of runs that go as a whole the oldest rows may be old for long.
  const bool look_at_age =
      keep_.age_ns != 0 && (!keep_.whole_runs || once() || now_() >= next_age_ns_);
  if (look_at_age) next_age_ns_ = now_() + kAgeEveryNs;
  for (Table& table : tables_) {
    if (look_at_age) {
      const Result<bool> row = table.oldest.step();
      if (!row.ok()) return row;
      certain_ = certain_ || (row.value() && table.oldest.integer(0) < horizon_ns_);
      table.oldest.reset();
    }
    if (keep_.rows == 0) continue;
    const Result<u64> rows = table.count.at_most();
    if (!rows.ok()) return rows.status();
    perhaps = perhaps || rows.value() > keep_.rows;
  }
  if (keep_.bytes != 0) {
    const Result<i64> pages = ask(page_count_);
    if (!pages.ok()) return pages.status();
    certain_ = certain_ || u64(pages.value() * page_bytes_) > keep_.bytes;
  }
  return certain_ || perhaps;
}

Result<bool> Pruner::read_ahead() {
  const i64 until = now_() + StepSize::kWorkNs;
  switch (phase_) {
    case Phase::kCount: {
      const Result<bool> complete = count_rows(until);
      if (!complete.ok() || !complete.value()) return complete;
      certain_ ? next_phase() : void(phase_ = Phase::kIdle);
      return false;
    }
    case Phase::kFirstCensus: {
      const Result<bool> complete = census_.read_until(until, now_);
      if (!complete.ok() || !complete.value()) return complete;
      const Status status = choose_victims();
      if (!status.ok()) return status;
      next_phase();
      return false;
    }
    case Phase::kCensus: {
      const Result<bool> complete = census_.read_until(until, now_);
      if (!complete.ok()) return complete;
      if (complete.value()) next_phase();
      return false;
    }
    case Phase::kUnused: {
      const Result<bool> complete = census_.read_until(until, now_);
      if (!complete.ok() || !complete.value()) return complete;
      return load_candidates(until);
    }
    default:
      return true;
  }
}

Result<bool> Pruner::count_rows(i64 until_ns) {
  for (Table& table : tables_) {
    table.over = false;
    if (keep_.rows == 0) continue;
    Result<u64> rows = table.count.at_most();
    if (rows.ok() && rows.value() > keep_.rows && !table.count.is_exact()) {
      const Result<bool> complete = table.count.count_until(until_ns, now_);
      if (!complete.ok() || !complete.value()) return complete;
      rows = table.count.at_most();
    }
    if (!rows.ok()) return rows.status();
    table.over = rows.value() > keep_.rows;
    certain_ = certain_ || table.over;
  }
  return true;
}

// A bit at least, however late it is already.
Status Pruner::work(i64 until_ns) {
  do {
    const Result<bool> more = bit(until_ns);
    if (!more.ok()) return more.status();
    if (!more.value()) next_phase();
  } while (phase_ != Phase::kIdle && phase_ != Phase::kCensus && now_() < until_ns);
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
    case Phase::kText:
      return drop_text_part();
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

// Of a statement whose second mark is the number of rows.
Result<u64> Pruner::run_delete(std::size_t index, Statement& statement) {
  statement.bind(2, piece_size_.rows());
  const i64 started = now_();
  const Status status = statement.run();
  if (!status.ok()) return status;
  piece_size_.took(now_() - started);
  const i64 gone = connection_.changes();
  tables_[index].count.removed(gone);
  counts_.rows[index] += u64(gone);
  if (index == kRecordsTable && gone > 0) records_went_ = true;
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
    const Result<u64> gone = run_delete(index, table.delete_before);
    if (!gone.ok()) return gone.status();
    return gone.value() > 0;
  }
  const Result<RowCount::Ends> ends = table.count.ends();
  if (!ends.ok()) return ends.status();
  const auto [first, last] = ends.value();
  if (last == 0) return false;
  // As they were stored is as they are old, mostly; once, all are looked at.
  const i64 from = once() ? std::max(first, table.passed_id + 1) : first;
  if (from > last) return false;
  const i64 to = std::min(last, from + kWindowIds - 1), rows = piece_size_.rows();
  table.delete_before.bind(3, from);
  table.delete_before.bind(4, to);
  const Result<u64> gone = run_delete(index, table.delete_before);
  if (!gone.ok()) return gone.status();
  if (gone.value() < u64(rows)) table.passed_id = to;
  return once() || gone.value() > 0;
}

Result<bool> Pruner::delete_surplus() {
  const u64 wanted = goal(keep_.rows);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    Table& table = tables_[i];
    if (!table.over) continue;
    const Result<u64> rows = table.count.at_most();
    if (!rows.ok()) return rows.status();
    if (rows.value() <= wanted) continue;
    table.delete_oldest.bind(1, i64(rows.value() - wanted));
    const Result<u64> gone = run_delete(i, table.delete_oldest);
    if (!gone.ok()) return gone.status();
    if (gone.value() > 0) return true;
  }
  return false;
}

Result<bool> Pruner::drop_text_part() {
  if (!records_went_) return false;
  const Result<bool> dropped = drop_dead_part(connection_, once());
  if (dropped.ok() && !dropped.value()) records_went_ = false;
  return dropped;
}

Result<bool> Pruner::delete_for_bytes() {
  if (keep_.bytes == 0) return false;
  const Result<bool> dropped = drop_text_part();  // before more rows go
  if (!dropped.ok() || dropped.value()) return dropped;
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
  tables_[oldest].delete_oldest.bind(1, INT64_MAX);
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
  const i64 stay = once() || too_large ? 0 : pages.value() / 8;
  if (free.value() <= stay) return false;
  const u64 go = std::min(vacuum_pages_, u64(free.value() - stay));
  const i64 started = now_();
  const Status status = connection_.run("PRAGMA incremental_vacuum(" + std::to_string(go) + ")");
  if (!status.ok()) return status;
  const i64 took = now_() - started;
  if (go == vacuum_pages_ && took < StepSize::kWorkNs / 8) {
    vacuum_pages_ = std::min(vacuum_pages_ * 2, kVacuumPagesMax);
  }
  if (took > StepSize::kWorkNs / 2) vacuum_pages_ = std::max<u64>(vacuum_pages_ / 2, 4);
  const Result<i64> left = ask(page_count_);
  if (!left.ok()) return left.status();
  counts_.pages += u64(std::max<i64>(pages.value() - left.value(), 0));
  return left.value() < pages.value();
}

}  // namespace sluice::storage
