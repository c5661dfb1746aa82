#include "store/census.h"

#include <algorithm>
#include <string>

namespace sluice::storage {
namespace {

constexpr i64 kWindowRows = 4096;

// What a row refers to besides its run; NULL: nothing.
constexpr std::array<const char*, kGrowingTables.size()> kReferences = {"site", "series", "NULL",
                                                                        "NULL", "NULL"};

}  // namespace

Status Census::prepare() {
  Status status;
  for (std::size_t i = 0; i < kGrowingTables.size() && status.ok(); ++i) {
    if (windows_[i]) continue;
    status = connection_.prepare_into(
        windows_[i], std::string("SELECT id, run, time_ns, ") + kReferences[i] + " FROM " +
                         kGrowingTables[i] + " WHERE id > ? ORDER BY id LIMIT ?");
  }
  return status;
}

void Census::start_over() {
  seen_ = {};
  runs_.clear();
  sites_.clear();
  series_.clear();
}

Result<bool> Census::read_until(i64 until_ns, i64 (*now)()) {
  Status status = prepare();
  for (std::size_t i = 0; i < kGrowingTables.size() && status.ok(); ++i) {
    at_end_ = false;
    while (status.ok() && !at_end_) {
      if (now() >= until_ns) return false;
      status = read_window(i);
    }
  }
  if (!status.ok()) return status;
  return true;
}

Status Census::read_window(std::size_t table) {
  Statement& rows = windows_[table];
  rows.bind(1, seen_[table]);
  rows.bind(2, kWindowRows);
  i64 count = 0;
  i64 last_run = -1;
  Run* run = nullptr;
  for (;; ++count) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    const i64 id = rows.integer(0);
    seen_[table] = id;
    if (!rows.is_null(3)) (table == kRecordsTable ? sites_ : series_).insert(rows.integer(3));
    if (rows.is_null(1)) continue;
    if (run == nullptr || rows.integer(1) != last_run) {
      last_run = rows.integer(1);
      run = &runs_[last_run];
    }
    Share& share = run->shares[table];
    if (share.rows++ == 0) share.first_id = id;
    share.last_id = id;
    run->last_ns = std::max(run->last_ns, rows.integer(2));
  }
  rows.reset();
  at_end_ = count < kWindowRows;
  return {};
}

}  // namespace sluice::storage
