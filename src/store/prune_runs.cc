// The parts of pruning that need a census: whole runs, what nobody refers to, looking only.
#include <algorithm>
#include <cstdint>

#include "os/process.h"
#include "store/prune.h"

namespace sluice::storage {
namespace {

constexpr i64 kVictimIds = 256;
constexpr i64 kPrunedRows = 1024;
// A run that began not long ago may have its first rows before it.
constexpr i64 kYoungRunNs = 3'600'000'000'000;

constexpr std::array<const char*, 3> kReferred = {"series", "sites", "runs"};
constexpr std::size_t kSeries = 0, kSites = 1, kRuns = 2;

// A row of `runs` that its parameters do not keep.
std::string lets_go(i64 horizon_ns) {
  return "(started_ns < " + std::to_string(horizon_ns) +
         " OR NOT EXISTS(SELECT 1 FROM params WHERE run = runs.id))";
}

}  // namespace

// ---- whole runs ----

// The oldest by their last row; never the newest of all, which is going on.
Status Pruner::choose_victims() {
  std::vector<std::pair<i64, i64>> by_age;  // time of the newest row, id
  std::array<u64, kGrowingTables.size()> rows{};
  std::array<i64, kGrowingTables.size()> first_ids{};
  for (const auto& [id, run] : census_.runs()) by_age.emplace_back(run.last_ns, id);
  std::sort(by_age.begin(), by_age.end());
  u64 rows_in_all = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Result<u64> count = tables_[i].count.at_most();
    if (!count.ok()) return count.status();
    rows[i] = count.value();
    rows_in_all += rows[i];
    const Result<RowCount::Ends> ends = tables_[i].count.ends();
    if (!ends.ok()) return ends.status();
    first_ids[i] = ends.value().first;
    newest_ids_[i] = ends.value().last;
  }
  const Result<u64> bytes = bytes_in_use();
  if (!bytes.ok()) return bytes.status();
  const double row_bytes = rows_in_all == 0 ? 0 : double(bytes.value()) / double(rows_in_all);
  const bool over_bytes = keep_.bytes != 0 && bytes.value() > keep_.bytes;
  victims_.clear();
  for (std::size_t n = 0; n + 1 < by_age.size(); ++n) {
    const auto [last_ns, id] = by_age[n];
    if (id == spared_run_) continue;
    const Census::Run& run = census_.runs().at(id);
    bool goes = keep_.age_ns != 0 && last_ns < horizon_ns_;
    goes = goes || (over_bytes && double(rows_in_all) * row_bytes > double(goal(keep_.bytes)));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      goes = goes || (tables_[i].over && rows[i] > goal(keep_.rows) && rows_to_go(run, i) > 0);
    }
    if (!goes) continue;
    Victim& victim = victims_.emplace_back();
    victim.run = id;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const u64 gone = std::min(rows_to_go(run, i), rows[i]);
      if (gone == 0) continue;
      rows[i] -= gone;
      rows_in_all -= gone;
      victim.ids[i] = {std::max(run.shares[i].first_id, first_ids[i]), run.shares[i].last_id};
    }
  }
  std::reverse(victims_.begin(), victims_.end());
  return {};
}

// All but the newest row of the table.
u64 Pruner::rows_to_go(const Census::Run& run, std::size_t table) const {
  const Census::Share& share = run.shares[table];
  return u64(share.rows) - (share.rows > 0 && share.last_id == newest_ids_[table] ? 1 : 0);
}

Result<bool> Pruner::delete_victims() {
  for (; !victims_.empty(); victims_.pop_back()) {
    Victim& victim = victims_.back();
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      auto& [first, last] = victim.ids[i];
      if (last == 0 || first > last) continue;
      Statement& statement = tables_[i].delete_run;
      const i64 to = std::min(last, first + kVictimIds - 1), rows = piece_size_.rows();
      statement.bind(1, victim.run);
      statement.bind(3, first);
      statement.bind(4, to);
      const Result<u64> gone = run_delete(i, statement);
      if (!gone.ok()) return gone.status();
      if (gone.value() < u64(rows)) first = to + 1;
      return true;
    }
    gone_runs_.insert(victim.run);
    census_.forget_run(victim.run);
  }
  return false;
}

// ---- what nobody refers to ----

bool Pruner::is_unused(std::size_t kind, i64 id) const {
  switch (kind) {
    case kSeries:
      return !census_.has_series(id);
    case kSites:
      return !census_.has_site(id);
    default:
      return !census_.runs().contains(id);
  }
}

Result<bool> Pruner::load_candidates(i64 until_ns) {
  while (candidates_kind_ < kReferred.size()) {
    if (now_() >= until_ns) return false;
    const Result<bool> more = load_some_candidates(candidates_kind_);
    if (!more.ok()) return more;
    if (!more.value()) ++candidates_kind_;
  }
  return true;
}

// A run's parameters outlive its rows, unless it is too old itself or went as a whole.
Result<bool> Pruner::load_some_candidates(std::size_t kind) {
  std::string sql = std::string("SELECT id FROM ") + kReferred[kind] + " WHERE id > ?1";
  if (kind == kRuns) {
    sql = "SELECT id, " + lets_go(horizon_ns_) +
          " FROM runs WHERE id > ?1 AND pid <> 0 AND id <> " + std::to_string(spared_run_) +
          " AND (ended_ns IS NOT NULL OR started_ns < " +
          std::to_string(os::wall_ns() - kYoungRunNs) + ")";
  }
  Result<Statement> rows = connection_.prepare(sql + " ORDER BY id LIMIT ?2");
  if (!rows.ok()) return rows.status();
  rows.value().bind(1, candidates_after_[kind]);
  rows.value().bind(2, kPrunedRows);
  for (i64 count = 0;; ++count) {
    const Result<bool> row = rows.value().step();
    if (!row.ok()) return row;
    if (!row.value()) return count == kPrunedRows;
    const i64 id = candidates_after_[kind] = rows.value().integer(0);
    const bool goes = kind != kRuns || rows.value().integer(1) != 0 || gone_runs_.contains(id);
    if (goes && is_unused(kind, id)) candidates_[kind].push_back(id);
  }
}

Status Pruner::delete_candidate(std::size_t kind, i64 id) {
  const std::string number = std::to_string(id);
  std::string sql = std::string("DELETE FROM ") + kReferred[kind] + " WHERE id = " + number;
  // It may have got a parameter since.
  if (kind == kRuns && !gone_runs_.contains(id)) sql += " AND " + lets_go(horizon_ns_);
  Status status = connection_.run(sql);
  if (!status.ok() || connection_.changes() == 0) return status;
  ++(kind == kSeries ? counts_.series : kind == kSites ? counts_.sites : counts_.runs);
  if (kind != kRuns) return {};
  gone_runs_.erase(id);
  for (const char* const table : {"cursors", "state_values", "params"}) {
    status = connection_.run(std::string("DELETE FROM ") + table + " WHERE run = " + number);
    if (!status.ok()) return status;
  }
  return {};
}

Result<bool> Pruner::delete_unused(i64 until_ns) {
  // With the write lock held nobody refers to them from now on: their rows would be seen here.
  const Result<bool> complete = census_.read_until(INT64_MAX, now_);
  if (!complete.ok()) return complete;
  for (std::size_t kind = 0; kind < kReferred.size(); ++kind) {
    std::vector<i64>& ids = candidates_[kind];
    while (!ids.empty()) {
      const i64 id = ids.back();
      ids.pop_back();
      if (!is_unused(kind, id)) continue;
      const Status status = delete_candidate(kind, id);
      if (!status.ok()) return status;
      if (now_() >= until_ns) return true;
    }
  }
  return false;
}

// ---- only looking ----

Result<PruneCounts> Pruner::look(i64 wall_ns) {
  const DatabaseUse use;
  Status status = prepare();
  if (!status.ok()) return status;
  horizon_ns_ = keep_.age_ns != 0 ? wall_ns - keep_.age_ns : INT64_MIN;
  PruneCounts counts;
  const Result<bool> counted = count_rows(INT64_MAX);
  if (!counted.ok()) return counted.status();
  std::array<u64, kGrowingTables.size()> left{};
  if (keep_.whole_runs) {
    const Result<bool> complete = census_.read_until(INT64_MAX, now_);
    if (!complete.ok()) return complete.status();
    status = choose_victims();
    if (!status.ok()) return status;
    for (const Victim& victim : victims_) {
      const Census::Run& run = census_.runs().at(victim.run);
      bool whole = true;
      for (std::size_t i = 0; i < left.size(); ++i) {
        counts.rows[i] += rows_to_go(run, i);
        whole = whole && rows_to_go(run, i) == u64(run.shares[i].rows);
      }
      counts.runs += whole;
    }
  }
  u64 left_in_all = 0, rows_in_all = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const Result<bool> exact = tables_[i].count.count_until(INT64_MAX, now_);
    if (!exact.ok()) return exact.status();
    const Result<u64> rows = tables_[i].count.at_most();
    if (!rows.ok()) return rows.status();
    const Result<i64> old = connection_.integer_of(
        std::string("SELECT count(*) FROM ") + kGrowingTables[i] + " WHERE time_ns < " +
        std::to_string(horizon_ns_) + " AND id < (SELECT max(id) FROM " + kGrowingTables[i] + ")" +
        (keep_.whole_runs ? " AND run IS NULL" : ""));
    if (!old.ok()) return old.status();
    counts.rows[i] += u64(old.value());
    left[i] = rows.value() - counts.rows[i];
    if (keep_.rows != 0 && left[i] > keep_.rows) {
      counts.rows[i] += left[i] - keep_.rows;
      left[i] = keep_.rows;
    }
    left_in_all += left[i];
    rows_in_all += rows.value();
  }
  const Result<u64> bytes = bytes_in_use();
  if (!bytes.ok()) return bytes.status();
  if (keep_.bytes == 0 || rows_in_all == 0) return counts;
  const double row_bytes = double(bytes.value()) / double(rows_in_all);
  const double room = double(keep_.bytes) / row_bytes;
  if (double(left_in_all) <= room) return counts;
  const double part = 1 - room / double(left_in_all);
  for (std::size_t i = 0; i < left.size(); ++i) counts.rows[i] += u64(double(left[i]) * part);
  return counts;
}

}  // namespace sluice::storage
