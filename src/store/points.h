// Samples of metrics: the series there are, the newest samples of some, and what they come to in
// spans of time.
//
// Spans are aligned to the epoch. Percentiles are exact, by nearest rank: of n values in order the
// one at place ceil(p / 100 * n), which always is one that was measured. A row that stands for many
// samples (weight) is as many of its value, their mean. A sample that is not a number (NULL) counts
// nowhere.
//
// Threading: plain functions over a connection. Blocking: as the disk. Memory: 8 bytes a sample of
// one span for percentiles; a row a span. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_POINTS_H_
#define SLUICE_SRC_STORE_POINTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "store/select.h"

namespace sluice::storage {

struct Aggregate {
  enum class Kind : u8 { kAvg, kMin, kMax, kSum, kCount, kLast, kPercentile };
  Kind kind = Kind::kAvg;
  u64 percent_e9 = 0;  // of kPercentile, in billionths of a percent: above 0, at most 100
  std::string name;    // as it was written
};
// "avg", "min", "max", "sum", "count", "last", "p50", "p99.9".
[[nodiscard]] Result<Aggregate> parse_aggregate(std::string_view text);

struct Series {
  i64 id = 0;
  std::string kind, unit, tags;
};
// All that have this name.
[[nodiscard]] Result<std::vector<Series>> find_series(Connection& connection,
                                                      const std::string& name);

// Of a filter: since_ns, until_ns and run.

// A row for each series with samples that pass, by name: metric_name, kind, unit, tags, points,
// first, last. `limit`: at most so many; 0: all.
[[nodiscard]] Query series_query(const Filter& filter, u64 limit);
// The samples of one series, the newest first: id, time_ns, value.
[[nodiscard]] Query points_query(const Series& series, const Filter& filter);

// The ids of the newest samples of these series, at most `limit` (0: all), the oldest first.
[[nodiscard]] Result<std::vector<i64>> newest_points(Connection& connection,
                                                     const std::vector<Series>& series,
                                                     const Filter& filter, u64 limit);

struct Span {
  i64 start_ns = 0;
  std::size_t series = 0;                                         // place in the list of series
  std::vector<std::variant<std::monostate, i64, double>> values;  // one an aggregate
};
// What the samples of each series come to in each span of `every_ns` (a multiple of a millisecond;
// 0: one for all) that has some; the newest `limit` (0: all), the oldest first.
[[nodiscard]] Result<std::vector<Span>> aggregate_points(Connection& connection,
                                                         const std::vector<Series>& series,
                                                         const Filter& filter, i64 every_ns,
                                                         const std::vector<Aggregate>& aggregates,
                                                         u64 limit);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_POINTS_H_
