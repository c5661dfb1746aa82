// The part of finding records that is full-text search: parts of the index, and what is in none.
//
// All of it sees one moment. Rows are gone through by their ids, the highest first, a part or a gap
// between parts at a time. That is the order of their times, but for what was imported; so the
// newest are found when no row with a lower id is newer than them, which the index by time knows.
#include <algorithm>
#include <cstdint>

#include "store/schema.h"
#include "store/select.h"

namespace sluice::storage {
namespace {

// So many rows have matched before it is first asked whether there are newer ones below.
constexpr u64 kFirstLookRows = 1024;

}  // namespace

Status LogFinder::make_matcher() {
  if (matcher_) return {};
  auto made = TextMatcher::make(*match_);
  if (!made.ok()) return made.status();
  matcher_ = std::move(made.value());
  return {};
}

Status LogFinder::collect_matching(u64 limit, std::vector<Found>& found) {
  Status status = make_matcher();
  if (status.ok()) status = connection_.run("BEGIN");
  if (!status.ok()) return status;
  const Result<std::vector<TextPart>> parts = text_parts(connection_);
  status = parts.status();
  if (status.ok()) {
    status = parts.value().empty() ? collect_all(limit, found)
                                   : collect_down(limit, parts.value(), found);
  }
  const Status ended = connection_.run("ROLLBACK");
  return status.ok() ? ended : status;
}

Status LogFinder::collect_down(u64 limit, const std::vector<TextPart>& parts,
                               std::vector<Found>& found) {
  const Result<Path> path = choose_path();  // finds the rows of a run
  if (!path.ok()) return path.status();
  if (path.value() == Path::kNothing) return {};
  i64 last = INT64_MAX;  // of the ids that are left
  const auto walk_gap = [&](i64 first) {
    if (first > last) return Status();
    return walk(between_ids(first, last), Order::kHighestIdFirst, false, limit, found);
  };
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    Status status = part->last_record < last ? walk_gap(part->last_record + 1) : Status();
    if (!status.ok()) return status;
    status = walk(of_part(part->id), Order::kHighestIdFirst, true, limit, found);
    if (!status.ok()) return status;
    const Result<bool> done = has_all(part->first_record, limit, found);
    if (!done.ok() || done.value()) return done.status();
    if (part->first_record == INT64_MIN) return {};
    last = part->first_record - 1;
  }
  return walk_gap(INT64_MIN);
}

Query LogFinder::between_ids(i64 first, i64 last) const {
  Where where;
  where.add("id BETWEEN ? AND ?", {first, last});
  add_times(where, false);
  add_rest(where, false);
  return select(where, " ORDER BY id DESC");
}

Query LogFinder::of_part(i64 part) const {
  const std::string table = text_table(part);
  Where where;
  where.add(table + " MATCH ?", {*match_});
  if (last_of_run_ != 0) where.add(table + ".rowid BETWEEN ? AND ?", {first_of_run_, last_of_run_});
  add_times(where, false);
  add_rest(where, false);
  return select(where, " ORDER BY " + table + ".rowid DESC",
                table + " CROSS JOIN records ON records.id = " + table + ".rowid");
}

// Whether those that were found have the newest of all, when there may be more below this id.
Result<bool> LogFinder::has_all(i64 below, u64 limit, std::vector<Found>& found) {
  if (limit == 0 || found.size() < limit) return false;
  keep_newest(limit, found);
  Where where;
  where.add("time_ns > ? AND +id < ?",
            {std::min_element(found.begin(), found.end())->time_ns, below});
  if (filter_.until_ns) where.add("time_ns < ?", {*filter_.until_ns});
  Result<Statement> newer = connection_.prepare("SELECT 1 FROM records" + where.sql() + " LIMIT 1");
  if (!newer.ok()) return newer.status();
  const Status bound = bind_all(newer.value(), where.values());
  if (!bound.ok()) return bound;
  const Result<bool> row = newer.value().step();
  if (!row.ok()) return row;
  return !row.value();
}

Status LogFinder::match_waiting(std::vector<Found>& waiting, std::vector<Found>& found) {
  const Result<std::vector<std::size_t>> matching = matcher_->take();
  if (!matching.ok()) return matching.status();
  for (const std::size_t at : matching.value()) found.push_back(waiting[at]);
  waiting.clear();
  return {};
}

// `indexed`: the query's rows match already.
Status LogFinder::walk(const Query& query, Order order, bool indexed, u64 limit,
                       std::vector<Found>& found) {
  Result<Statement> made = connection_.prepare(query.sql);
  if (!made.ok()) return made.status();
  Statement& rows = made.value();
  const Status bound = bind_all(rows, query.values);
  if (!bound.ok()) return bound;
  std::vector<Found> waiting;
  u64 taken = 0, next_look = std::max(limit, kFirstLookRows);
  for (bool more = true; more;) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    more = row.value();
    const std::size_t before = found.size();
    if (more) {
      if (!passes(rows)) continue;
      const Found one{rows.integer(1), rows.integer(0)};
      (indexed ? found : waiting).push_back(one);
      const Status added = indexed ? Status() : matcher_->add(rows.text(4));
      if (!added.ok()) return added;
    }
    if (!waiting.empty() && (!more || matcher_->full())) {
      const Status matched = match_waiting(waiting, found);
      if (!matched.ok()) return matched;
    }
    taken += found.size() - before;
    if (!more || limit == 0) continue;
    if (order == Order::kNewestFirst && taken >= limit) break;
    if (order == Order::kHighestIdFirst && taken >= next_look) {
      const Result<bool> done = has_all(rows.integer(0), limit, found);
      if (!done.ok() || done.value()) return done.status();
      next_look = 2 * taken;
    } else if (found.size() > 2 * limit + 1000) {
      keep_newest(limit, found);
    }
  }
  return {};
}

}  // namespace sluice::storage
