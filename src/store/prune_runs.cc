// The parts of pruning that need a census: whole runs, what nobody refers to, looking only.
#include <algorithm>
#include <cstdint>

#include "os/process.h"
#include "store/prune.h"

namespace sluice::storage {
namespace {

constexpr i64 kVictimIds = 64;
// A run that began not long ago may have its first rows before it.
constexpr i64 kYoungRunNs = 3'600'000'000'000;

constexpr std::array<const char*, 3> kReferred = {"series", "sites", "runs"};
constexpr std::size_t kSeries = 0, kSites = 1, kRuns = 2;

}  // namespace

// ---- whole runs ----

// The oldest by their last row; never the newest of all, which is going on.
Status Pruner::choose_victims() {
  std::vector<std::pair<i64, i64>> by_age;  // time of the newest row, id
  std::array<u64, kGrowingTables.size()> rows{};
  for (const auto& [id, run] : census_.runs()) by_age.emplace_back(run.last_ns, id);
  std::sort(by_age.begin(), by_age.end());
  u64 rows_in_all = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Result<i64> count = ask(tables_[i].count);
    if (!count.ok()) return count.status();
    rows[i] = u64(count.value());
    rows_in_all += rows[i];
    const Result<i64> newest = newest_id(i);
    if (!newest.ok()) return newest.status();
    newest_ids_[i] = newest.value();
  }
  const Result<u64> bytes = bytes_in_use();
  if (!bytes.ok()) return bytes.status();
  const double row_bytes = rows_in_all == 0 ? 0 : double(bytes.value()) / double(rows_in_all);
  victims_ = "[";
  victim_runs_.clear();
  victim_ids_ = {};
  for (std::size_t n = 0; n + 1 < by_age.size(); ++n) {
    const auto [last_ns, id] = by_age[n];
    if (id == spared_run_) continue;
    const Census::Run& run = census_.runs().at(id);
    bool goes = keep_.age_ns != 0 && last_ns < horizon_ns_;
    goes = goes || (keep_.bytes != 0 && double(rows_in_all) * row_bytes > double(keep_.bytes));
    for (std::size_t i = 0; i < rows.size() && keep_.rows != 0; ++i) {
      goes = goes || (rows[i] > keep_.rows && rows_to_go(run, i) > 0);
    }
    if (!goes) continue;
    victims_ += (victim_runs_.empty() ? "" : ",") + std::to_string(id);
    victim_runs_.push_back(id);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const Census::Share& share = run.shares[i];
      const u64 gone = rows_to_go(run, i);
      if (gone == 0) continue;
      rows[i] -= gone;
      rows_in_all -= gone;
      auto& [first, last] = victim_ids_[i];
      first = last == 0 ? share.first_id : std::min(first, share.first_id);
      last = std::max(last, share.last_id);
    }
  }
  victims_ += "]";
  return {};
}

// All but the newest row of the table.
u64 Pruner::rows_to_go(const Census::Run& run, std::size_t table) const {
  const Census::Share& share = run.shares[table];
  return u64(share.rows) - (share.rows > 0 && share.last_id == newest_ids_[table] ? 1 : 0);
}

Result<bool> Pruner::delete_victims() {
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    auto& [first, last] = victim_ids_[i];
    if (last == 0 || first > last) continue;
    Statement& statement = tables_[i].delete_runs;
    const i64 to = std::min(last, first + kVictimIds - 1);
    statement.bind(1, first);
    statement.bind(2, to);
    statement.bind(3, std::string_view(victims_));
    const Result<u64> gone = run_delete(i, statement);
    if (!gone.ok()) return gone.status();
    first = to + 1;
    return true;
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

Status Pruner::load_candidates() {
  for (std::size_t kind = 0; kind < kReferred.size(); ++kind) {
    std::string sql = std::string("SELECT id FROM ") + kReferred[kind];
    if (kind == kRuns) {
      // A run's parameters outlive its rows, unless it is too old itself.
      sql += " WHERE pid <> 0 AND id <> " + std::to_string(spared_run_) +
             " AND (ended_ns IS NOT NULL OR started_ns < " +
             std::to_string(os::wall_ns() - kYoungRunNs) +
             ") AND (started_ns < ?1 OR NOT EXISTS(SELECT 1 FROM params WHERE run = runs.id)"
             " OR id IN (SELECT value FROM json_each(?2)))";
    }
    Result<Statement> rows = connection_.prepare(sql);
    if (!rows.ok()) return rows.status();
    if (kind == kRuns) {
      rows.value().bind(1, horizon_ns_);
      rows.value().bind(2, victim_runs_.empty() ? std::string_view("[]") : victims_);
    }
    candidates_[kind].clear();
    for (;;) {
      const Result<bool> row = rows.value().step();
      if (!row.ok()) return row.status();
      if (!row.value()) break;
      const i64 id = rows.value().integer(0);
      if (is_unused(kind, id)) candidates_[kind].push_back(id);
    }
  }
  candidates_loaded_ = true;
  return {};
}

Status Pruner::delete_candidate(std::size_t kind, i64 id) {
  const std::string number = std::to_string(id);
  std::string sql;
  if (kind == kRuns) {
    for (const char* const table : {"cursors", "state_values", "params"}) {
      sql += std::string("DELETE FROM ") + table + " WHERE run = " + number + ";";
    }
  }
  sql += std::string("DELETE FROM ") + kReferred[kind] + " WHERE id = " + number;
  const Status status = connection_.run(sql);
  if (!status.ok()) return status;
  ++(kind == kSeries ? counts_.series : kind == kSites ? counts_.sites : counts_.runs);
  return {};
}

Result<bool> Pruner::delete_unused(i64 until_ns) {
  // With the write lock held nobody refers to them from now on: their rows would be seen here.
  const Result<bool> complete = census_.read_until(INT64_MAX);
  if (!complete.ok()) return complete;
  if (!candidates_loaded_) {
    const Status status = load_candidates();
    if (!status.ok()) return status;
  }
  for (std::size_t kind = 0; kind < kReferred.size(); ++kind) {
    std::vector<i64>& ids = candidates_[kind];
    for (; !ids.empty(); ids.pop_back()) {
      if (os::monotonic_ns() >= until_ns) return true;
      if (!is_unused(kind, ids.back())) continue;
      const Status status = delete_candidate(kind, ids.back());
      if (!status.ok()) return status;
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
  std::array<u64, kGrowingTables.size()> left{};
  if (keep_.whole_runs) {
    const Result<bool> complete = census_.read_until(INT64_MAX);
    if (!complete.ok()) return complete.status();
    status = choose_victims();
    if (!status.ok()) return status;
    for (const i64 id : victim_runs_) {
      const Census::Run& run = census_.runs().at(id);
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
    const Result<i64> rows = ask(tables_[i].count);
    if (!rows.ok()) return rows.status();
    const Result<i64> old = connection_.integer_of(
        std::string("SELECT count(*) FROM ") + kGrowingTables[i] + " WHERE time_ns < " +
        std::to_string(horizon_ns_) + " AND id < (SELECT max(id) FROM " + kGrowingTables[i] + ")" +
        (keep_.whole_runs ? " AND run IS NULL" : ""));
    if (!old.ok()) return old.status();
    counts.rows[i] += u64(old.value());
    left[i] = u64(rows.value()) - counts.rows[i];
    if (keep_.rows != 0 && left[i] > keep_.rows) {
      counts.rows[i] += left[i] - keep_.rows;
      left[i] = keep_.rows;
    }
    left_in_all += left[i];
    rows_in_all += u64(rows.value());
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
