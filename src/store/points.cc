#include "store/points.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/durations.h"
#include "record/escape.h"
#include "store/schema.h"

namespace sluice::storage {
namespace {

constexpr u64 kWholeE9 = 100'000'000'000;  // 100 %
constexpr i64 kWeightMax = i64{1} << 40;   // so that eight million of them can be counted

// On points of one series: by the index on series and time, then to the nanosecond.
void add_points(Where& where, const Filter& filter) {
  const std::string time(kTimeText);
  if (filter.since_ns) {
    where.add(time + " >= " + kTimeTextOfMark, {*filter.since_ns});
    where.add("time_ns >= ?", {*filter.since_ns});
  }
  if (filter.until_ns) {
    where.add(time + " <= " + kTimeTextOfMark, {*filter.until_ns});
    where.add("time_ns < ?", {*filter.until_ns});
  }
  if (!filter.run.empty()) add_run(where, filter.run);
}

// Samples of a run have no index, which each sample that is stored would pay for (docs/
// performance.md): one pass over all of them serves all series.
Query series_of_run_query(const Filter& filter) {
  const auto text_of = [](const std::string& time_ns) {
    return "strftime('%Y-%m-%d %H:%M:%f'," + time_ns + "/1000000/1000.0,'unixepoch')";
  };
  Where where;
  if (filter.since_ns) where.add("time_ns >= ?", {*filter.since_ns});
  if (filter.until_ns) where.add("time_ns < ?", {*filter.until_ns});
  add_run(where, filter.run);
  return {"SELECT name AS metric_name, kind, nullif(unit, '') AS unit, tags, points, " +
              text_of("first") + " AS first, " + text_of("last") +
              " AS last FROM (SELECT series, count(*) AS points, min(time_ns) AS first,"
              " max(time_ns) AS last FROM points" +
              where.sql() +
              " GROUP BY +series) JOIN series ON series.id = series"
              " ORDER BY metric_name, unit, tags, kind LIMIT ?",
          where.values()};
}

// Samples of one span: single ones by their values, and those that stand for many.
class Values {
 public:
  void add(double value, i64 weight) {
    if (weight == 1) {
      values_.push_back(value);
    } else {
      weighted_.emplace_back(value, weight);
    }
  }
  void clear() {
    values_.clear();
    weighted_.clear();
  }
  // The nearest rank of `count`, in whole numbers: 99.9 % of 1000 is 999 and no hair more.
  [[nodiscard]] double percentile(u64 percent_e9, i64 count) {
    __extension__ using u128 = unsigned __int128;
    const u64 rank = u64((u128(percent_e9) * u64(count) + kWholeE9 - 1) / kWholeE9);
    const u64 wanted = std::clamp<u64>(rank, 1, u64(count));
    if (!weighted_.empty()) return weighted(wanted);
    const auto at = values_.begin() + std::ptrdiff_t(wanted - 1);
    std::nth_element(values_.begin(), at, values_.end());
    return *at;
  }

 private:
  [[nodiscard]] double weighted(u64 wanted) {
    for (const double value : values_) weighted_.emplace_back(value, 1);
    values_.clear();
    std::sort(weighted_.begin(), weighted_.end());
    u64 passed = 0;
    for (const auto& [value, weight] : weighted_) {
      passed += u64(weight);
      if (passed >= wanted) return value;
    }
    return weighted_.back().first;
  }

  std::vector<double> values_;
  std::vector<std::pair<double, i64>> weighted_;
};

// "99.9" in billionths; 0: it is none.
u64 read_percent(std::string_view text) {
  const auto point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string digits(point == std::string_view::npos ? "" : text.substr(point + 1));
  const bool has_digits = point == std::string_view::npos || !digits.empty();
  if (whole.empty() || whole.size() > 3 || digits.size() > 9 || !has_digits) return 0;
  digits = std::string(whole) + digits + std::string(9 - digits.size(), '0');
  u64 percent = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  const bool all = read.ec == std::errc() && read.ptr == digits.data() + digits.size();
  return all && percent <= kWholeE9 ? percent : 0;
}

class Sums {
 public:
  explicit Sums(const std::vector<Aggregate>& aggregates) : aggregates_(aggregates) {
    for (const Aggregate& one : aggregates) {
      keep_values_ = keep_values_ || one.kind == Aggregate::Kind::kPercentile;
    }
  }

  void add(i64 time_ns, i64 id, double value, i64 weight) {
    if (count_ == 0 || value < min_) min_ = value;
    if (count_ == 0 || value > max_) max_ = value;
    if (count_ == 0 || std::pair(time_ns, id) > newest_) {
      newest_ = {time_ns, id};
      last_ = value;
    }
    sum_ += static_cast<long double>(value) * static_cast<long double>(weight);
    count_ += weight;
    if (keep_values_) values_.add(value, weight);
  }

  [[nodiscard]] std::vector<std::variant<std::monostate, i64, double>> take() {
    std::vector<std::variant<std::monostate, i64, double>> all;
    for (const Aggregate& one : aggregates_) {
      if (one.kind == Aggregate::Kind::kCount) {
        all.emplace_back(count_);
        continue;
      }
      const double value = count_ == 0 ? std::nan("") : value_of(one);
      // The sum of both infinities is none.
      std::isnan(value) ? all.emplace_back() : all.emplace_back(value);
    }
    count_ = 0;
    sum_ = 0;
    values_.clear();
    return all;
  }

 private:
  double value_of(const Aggregate& one) {
    switch (one.kind) {
      case Aggregate::Kind::kAvg:
        return double(sum_ / static_cast<long double>(count_));
      case Aggregate::Kind::kMin:
        return min_;
      case Aggregate::Kind::kMax:
        return max_;
      case Aggregate::Kind::kSum:
        return double(sum_);
      case Aggregate::Kind::kLast:
        return last_;
      case Aggregate::Kind::kPercentile:
        return values_.percentile(one.percent_e9, count_);
      case Aggregate::Kind::kCount:
        break;
    }
    return double(count_);
  }

  const std::vector<Aggregate>& aggregates_;
  bool keep_values_ = false;
  i64 count_ = 0;
  long double sum_ = 0;
  double min_ = 0, max_ = 0, last_ = 0;
  std::pair<i64, i64> newest_;
  Values values_;
};

// As the times in the index: by milliseconds, and those before 1970 cut towards it.
i64 span_start(i64 time_ns, i64 every_ns) {
  if (every_ns == 0) return 0;
  const i64 ms = time_ns / kNsPerMs, every = every_ns / kNsPerMs;
  const i64 past = (ms % every + every) % every;
  return (ms - past) * kNsPerMs;
}

bool newer(const Span& a, const Span& b) {
  return a.start_ns != b.start_ns ? a.start_ns > b.start_ns : a.series > b.series;
}

template <class T, class Newer>
void keep_newest(std::vector<T>& all, u64 limit, Newer&& first) {
  if (limit == 0 || all.size() <= limit) return;
  std::nth_element(all.begin(), all.begin() + std::ptrdiff_t(limit), all.end(), first);
  all.resize(limit);
}

template <class Take>
Status each_found(Connection& connection, const Query& query, Take&& take) {
  Result<Statement> rows = connection.prepare(query.sql);
  if (!rows.ok()) return rows.status();
  const Status bound = bind_all(rows.value(), query.values);
  return bound.ok() ? each_row(rows.value(), take) : bound;
}

}  // namespace

Result<Aggregate> parse_aggregate(std::string_view text) {
  constexpr std::pair<std::string_view, Aggregate::Kind> kNames[] = {
      {"avg", Aggregate::Kind::kAvg},     {"min", Aggregate::Kind::kMin},
      {"max", Aggregate::Kind::kMax},     {"sum", Aggregate::Kind::kSum},
      {"count", Aggregate::Kind::kCount}, {"last", Aggregate::Kind::kLast}};
  for (const auto& [name, kind] : kNames) {
    if (name == text) return Aggregate{kind, 0, std::string(text)};
  }
  if (text.starts_with('p')) {
    const u64 percent = read_percent(text.substr(1));
    if (percent != 0) return Aggregate{Aggregate::Kind::kPercentile, percent, std::string(text)};
  }
  return fatal("\"" + escaped(TextForm::kText, text) +
               "\" is none; write avg, min, max, sum, count, last, or a percentile such as p95 or "
               "p99.9");
}

Result<std::vector<Series>> find_series(Connection& connection, const std::string& name) {
  std::vector<Series> found;
  const Status status = each_found(
      connection,
      {"SELECT id, kind, unit, tags FROM series WHERE name = ? ORDER BY unit, tags, kind", {name}},
      [&](const Statement& row) {
        found.push_back({row.integer(0), std::string(row.text(1)), std::string(row.text(2)),
                         std::string(row.text(3))});
        return true;
      });
  if (!status.ok()) return status;
  return found;
}

Query series_query(const Filter& filter, u64 limit) {
  const i64 rows = limit == 0 ? -1 : i64(std::min(limit, u64(INT64_MAX)));
  if (!filter.run.empty()) {
    Query query = series_of_run_query(filter);
    query.values.emplace_back(rows);
    return query;
  }
  Where where;
  where.add("points.series = series.id");
  add_points(where, filter);
  const std::string time(kTimeText), of = " FROM points" + where.sql();
  Query query;
  query.sql =
      "SELECT * FROM (SELECT name AS metric_name, kind, nullif(unit, '') AS unit, tags,"
      " (SELECT count(*)" +
      of +
      ") AS points,"
      " (SELECT " +
      time + of + " ORDER BY " + time +
      " LIMIT 1) AS first,"
      " (SELECT " +
      time + of + " ORDER BY " + time +
      " DESC LIMIT 1) AS last"
      " FROM series) WHERE points > 0 ORDER BY metric_name, unit, tags, kind LIMIT ?";
  for (int i = 0; i < 3; ++i) {
    query.values.insert(query.values.end(), where.values().begin(), where.values().end());
  }
  query.values.emplace_back(rows);
  return query;
}

Query points_query(const Series& series, const Filter& filter) {
  Where where;
  where.add("series = ?", {series.id});
  add_points(where, filter);
  return {"SELECT id, time_ns, value, weight FROM points" + where.sql() + " ORDER BY " + kTimeText +
              " DESC, id DESC",
          where.values(), true};
}

Result<std::vector<i64>> newest_points(Connection& connection, const std::vector<Series>& series,
                                       const Filter& filter, u64 limit) {
  using Found = std::pair<i64, i64>;
  std::vector<Found> found;
  for (const Series& one : series) {
    u64 taken = 0;
    const Status status =
        each_found(connection, points_query(one, filter), [&](const Statement& row) {
          found.emplace_back(row.integer(1), row.integer(0));
          return ++taken != limit;
        });
    if (!status.ok()) return status;
    if (found.size() > 2 * limit + 1000) keep_newest(found, limit, std::greater<Found>());
  }
  keep_newest(found, limit, std::greater<Found>());
  std::sort(found.begin(), found.end());
  std::vector<i64> ids;
  for (const auto& [time, id] : found) ids.push_back(id);
  return ids;
}

Result<std::vector<Span>> aggregate_points(Connection& connection,
                                           const std::vector<Series>& series, const Filter& filter,
                                           i64 every_ns, const std::vector<Aggregate>& aggregates,
                                           u64 limit) {
  std::vector<Span> spans;
  for (std::size_t i = 0; i < series.size(); ++i) {
    Sums sums(aggregates);
    u64 taken = 0;
    bool open = false;
    i64 start = 0;
    const auto close = [&] {
      if (open) spans.push_back({start, i, sums.take()});
      open = false;
    };
    const Status status =
        each_found(connection, points_query(series[i], filter), [&](const Statement& row) {
          const i64 time = row.integer(1), of = span_start(time, every_ns);
          if (!open || of != start) {
            close();
            if (taken == limit && limit != 0) return false;
            ++taken;
            open = true;
            start = of;
          }
          // What other programs have put there may be no weight.
          const i64 weight = row.is_null(3) ? 1 : std::clamp<i64>(row.integer(3), 0, kWeightMax);
          if (!row.is_null(2) && weight > 0) sums.add(time, row.integer(0), row.real(2), weight);
          return true;
        });
    if (!status.ok()) return status;
    close();
    if (spans.size() > 2 * limit + 1000) keep_newest(spans, limit, newer);
  }
  keep_newest(spans, limit, newer);
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return newer(b, a); });
  return spans;
}

}  // namespace sluice::storage
