// What a store holds, in numbers.
//
// Counting reads an index of each table from end to end: some seconds for ten million records.
// It is one read transaction, beside which the writer goes on.
//
// Threading: a plain function over a connection. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_STATS_H_
#define SLUICE_SRC_STORE_STATS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/schema.h"
#include "store/sqlite.h"

namespace sluice::storage {

struct TableStats {
  std::string name;
  i64 rows = 0;
  std::string oldest, newest;  // as times stand in the views; empty: no times, or no rows
};

struct RunStats {
  std::string run_id, product, host, started, ended;  // ended: empty when it is not known
  i64 pid = 0;
  std::optional<i64> exit_code, signal;
  std::string reason;
};

struct StoreStats {
  i64 schema_version = 0;
  u64 database_bytes = 0;
  u64 wal_bytes = 0;
  u64 free_bytes = 0;  // of pages in the database that hold nothing
  std::vector<TableStats> tables;
  std::vector<std::pair<std::string, i64>> levels;
  // What the engine has said that it dropped, by reason; "sink_gap": what a sink did not get.
  std::vector<std::pair<std::string, i64>> drops;
  std::vector<CustomColumn> columns;
  std::vector<std::string> indexes;
  std::vector<RunStats> runs;  // the newest first
};

// `runs`: at most so many of them.
[[nodiscard]] Result<StoreStats> read_stats(Connection& connection, u64 runs);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_STATS_H_
