// Read-only connections to a store, each with snapshots of its own, never behind the writer.
//
// A connection that was used is kept for the next question, kIdleMax of them.
//
// Threading: Readers is thread-safe; a Reader is single-owner. Blocking: as reads of the disk.
// Errors: kFatal (a mistake in the statement, no store), kRetryable (interrupted, locked), kRotate
// (the file is damaged).
#ifndef SLUICE_SRC_STORE_READER_H_
#define SLUICE_SRC_STORE_READER_H_

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "os/io.h"
#include "sluice/store.h"
#include "store/sqlite.h"

namespace sluice::storage {

class Reader {
 public:
  // kFatal when there is no store at `path`.
  [[nodiscard]] static Result<std::unique_ptr<Reader>> open(const std::string& path);

  // Until when (CLOCK_MONOTONIC; 0: for ever) statements run, and what else ends them.
  void limit(i64 deadline_ns, std::stop_token stop);

  // One statement, which must only read.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql,
                                          const std::vector<SqlValue>& parameters);
  [[nodiscard]] Result<Rows> ask(std::string_view sql, const std::vector<SqlValue>& parameters,
                                 std::size_t max_rows);
  [[nodiscard]] Result<std::vector<LogRow>> logs(std::optional<Level> level, std::size_t limit);
  // Whose messages match a full-text expression, of this level and worse, the newest first.
  [[nodiscard]] Result<std::vector<LogRow>> find(std::string_view expression,
                                                 std::optional<Level> at_least, std::size_t limit);
  [[nodiscard]] Result<std::vector<MetricRow>> metrics(std::string_view name, std::size_t limit);
  [[nodiscard]] Result<LogStatistics> statistics();
  // The rows behind these ids, oldest first, at most `limit` of each.
  [[nodiscard]] Result<Commit> rows_after(i64 log_id, i64 metric_id, std::size_t limit);
  // The first column of the first row.
  [[nodiscard]] Result<i64> number(const char* sql) { return connection_->integer_of(sql); }
  // Differs when another connection has committed since.
  [[nodiscard]] Result<i64> version() { return connection_->integer_of("PRAGMA data_version"); }

  // False in a forked child.
  [[nodiscard]] bool is_ours() const { return connection_->is_ours(); }
  // Whether it may be used in this process, for what stands at `path` now.
  [[nodiscard]] bool is_of(const std::string& path) const;
  // The same, or nothing stands there any more: what was removed can be read to its end.
  [[nodiscard]] bool may_go_on(const std::string& path) const;

 private:
  Reader() = default;
  os::FileId file_;
  std::unique_ptr<Connection> connection_;
};

class Readers {
 public:
  // The one to be used now, and given back.
  [[nodiscard]] Result<std::unique_ptr<Reader>> take(const std::string& path);
  void give_back(std::unique_ptr<Reader> reader);
  // Closes those that are not in use.
  void close();

 private:
  static constexpr std::size_t kIdleMax = 8;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_READER_H_
