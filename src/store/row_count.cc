#include "store/row_count.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sluice::storage {
namespace {

constexpr i64 kWindowRows = 4096;

}  // namespace

Status RowCount::prepare(Connection& connection, const std::string& table, bool by_time) {
  const Status status = connection.prepare_into(
      ends_, "SELECT (SELECT min(id) FROM " + table + "), (SELECT max(id) FROM " + table + ")");
  if (!status.ok()) return status;
  const std::string select =
      "SELECT " + std::string(by_time ? "time_ns" : "0") + ", id FROM " + table + " WHERE ";
  // Rows of one time are gone through by their ids. A '+' keeps SQLite from going by them alone.
  return connection.prepare_into(
      window_, by_time ? select + "time_ns = ?1 AND id > ?2 AND +id <= ?3 UNION ALL " + select +
                             "time_ns > ?1 AND +id <= ?3 ORDER BY 1, 2 LIMIT ?4"
                       : select + "id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4");
}

Result<RowCount::Ends> RowCount::ends() {
  const Result<bool> row = ends_.step();
  if (!row.ok()) return row.status();
  const Ends ends{ends_.integer(0), ends_.integer(1)};
  ends_.reset();
  return ends;
}

Result<u64> RowCount::at_most() {
  const Result<Ends> now = ends();
  if (!now.ok()) return now.status();
  const auto [first, last] = now.value();
  const i64 span = last == 0 ? 0 : last - first + 1;
  if (rows_ < 0) return u64(span);
  if (last < last_id_) exact_ = false;  // a statement of a user's has taken the newest
  rows_ += std::max<i64>(last - last_id_, 0);
  last_id_ = last;
  return u64(std::min(rows_, span));
}

Status RowCount::read_window(bool& at_end) {
  window_.bind(1, seen_time_);
  window_.bind(2, seen_id_);
  window_.bind(3, began_last_);
  window_.bind(4, kWindowRows);
  i64 rows = 0;
  for (;; ++rows) {
    const Result<bool> row = window_.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    seen_time_ = window_.integer(0);
    seen_id_ = window_.integer(1);
  }
  window_.reset();
  counted_ += rows;
  if (rows > 0) marks_.push_back({seen_time_, seen_id_, counted_});
  at_end = rows < kWindowRows;
  return {};
}

// Of the rows that were counted those that are not there any more: all before the oldest that is.
Result<i64> RowCount::counted_and_gone() {
  window_.bind(1, INT64_MIN);
  window_.bind(2, INT64_MIN);
  window_.bind(3, began_last_);
  window_.bind(4, kWindowRows);
  const auto key = [&] { return std::pair(window_.integer(0), window_.integer(1)); };
  Result<bool> row = window_.step();
  if (!row.ok()) return row.status();
  auto mark = marks_.begin();
  while (row.value() && mark != marks_.end() && std::pair(mark->time, mark->id) < key()) ++mark;
  if (!row.value() || mark == marks_.end()) {
    window_.reset();
    return counted_;
  }
  // What is left of the window in which the oldest is.
  i64 left = 0;
  for (; row.value() && key() <= std::pair(mark->time, mark->id); ++left) {
    row = window_.step();
    if (!row.ok()) return row.status();
  }
  window_.reset();
  return std::max<i64>(mark->counted - left, 0);
}

Result<bool> RowCount::count_until(i64 until_ns, Clock now) {
  if (exact_) return true;
  if (!counting_) {
    const Result<Ends> begin = ends();
    if (!begin.ok()) return begin.status();
    began_last_ = begin.value().last;
    counting_ = true;
    counted_ = 0;
    seen_time_ = seen_id_ = INT64_MIN;
    marks_.clear();
  }
  for (bool at_end = false; !at_end;) {
    if (now() >= until_ns) return false;
    const Status status = read_window(at_end);
    if (!status.ok()) {
      counting_ = false;
      return status;
    }
  }
  counting_ = false;
  const Result<i64> gone = counted_and_gone();
  if (!gone.ok()) return gone.status();
  rows_ = counted_ - gone.value();
  last_id_ = began_last_;
  exact_ = true;
  return true;
}

}  // namespace sluice::storage
