// A store that a program logs to and asks: an SQLite database of logs and metrics.
//
//     auto store = sluice::Store::open("app.db").value();
//     store.log(sluice::Level::info, "api", "Request processed", sluice::kv("user_id", 12345));
//     store.log_metric("response_time", 45.2, "ms");
//     for (const sluice::LogRow& row : store.get_logs(sluice::Level::error).value()) ...
//     auto slow = store.query("SELECT max(value) FROM metrics WHERE metric_name = ?", {"cpu"});
//
// The object is a handle: rows are written by the store sink (store_file() in Options::sinks),
// which every other call of the library reaches too. What is said here never waits; what is asked
// first waits, at most StoreOptions::wait_ms, until what this process said before is in the
// database. Tables and views: docs/formats/store.md.
//
// Threading: thread-safe, but for moving, closing and destruction. A forked child may go on with
// it. Errors: a Status; kFatal: a mistake in the call, kRetryable: worth another try, kRotate: the
// file is damaged (the sink sets it aside and begins a new one).
#ifndef SLUICE_STORE_H_
#define SLUICE_STORE_H_

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/level_sites.h"
#include "sluice/log.h"
#include "sluice/options.h"
#include "sluice/rows.h"
#include "sluice/status.h"

namespace sluice {
inline namespace v1 {

struct StoreOptions {
  // How long a question waits until what was said before is stored, and a statement that writes for
  // the lock of others.
  std::uint32_t wait_ms = 2000;
  // Used when Sluice is not running yet; store_file() is added to its sinks unless it is there.
  Options start = {.level = Level::trace, .quiet = true};
};

struct QueryOptions {
  std::uint32_t timeout_ms = 0;      // the statement is interrupted after that long; 0: never
  bool wait = true;                  // until what was said before is stored
  std::size_t max_rows = 1'000'000;  // a result with more is refused: it would be held in memory
  std::stop_token stop = {};         // a request interrupts the statement
};

// Rows of the views `logs` and `metrics`.
struct LogRow {
  std::int64_t id = 0;
  std::string timestamp;  // "2025-11-22 10:30:00.123", UTC
  std::string level;      // "ERROR"
  std::int64_t thread_id = 0;
  std::string module;
  std::string message;
  std::string extra_data;  // a JSON object; empty: none
};
struct MetricRow {
  std::int64_t id = 0;
  std::string timestamp;
  std::string metric_name;
  std::optional<double> value;  // none: it was not a number
  std::string unit;
};

struct LogStatistics {
  std::int64_t total_logs = 0;
  std::int64_t total_metrics = 0;
  std::vector<std::pair<std::string, std::int64_t>> logs_by_level;  // most first
  std::vector<std::pair<std::int64_t, std::int64_t>> logs_by_thread;
};

// What has been committed to the file, by this process and by others.
struct Commit {
  std::vector<LogRow> logs;
  std::vector<MetricRow> metrics;
};

enum class ColumnType : std::uint8_t { text, integer, real, any };

// A result read row by row, of any size. It sees the database as it was at the first row, and keeps
// the write-ahead log from being reset as long as it lives. Single-owner.
class SLUICE_API Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // Moves to the next row. False: there is none.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] const std::vector<std::string>& columns() const;
  // A value of the row that next() moved to.
  [[nodiscard]] SqlValue operator[](std::size_t column) const;
  template <class T>
  [[nodiscard]] std::optional<T> get(std::size_t column) const {
    static_assert(!std::is_same_v<T, std::string_view>, "the text would be gone");
    return (*this)[column].template as<T>();
  }

 private:
  friend class Store;
  struct Impl;
  explicit Cursor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Statements that count together or not at all. Holds the file's write lock until commit() or
// rollback(); what is logged meanwhile waits in the journal, and is no part of it. Single-owner.
class SLUICE_API Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();  // rolls back what was not committed

  // The number of rows changed.
  Result<std::int64_t> execute(std::string_view sql, const std::vector<SqlValue>& parameters = {});
  [[nodiscard]] Result<Rows> query(std::string_view sql,
                                   const std::vector<SqlValue>& parameters = {});
  Status commit();
  void rollback();

 private:
  friend class Store;
  struct Impl;
  explicit Transaction(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class SLUICE_API Store {
 public:
  // Attaches to the store sink of this path (":memory:": the private one), and starts Sluice with
  // one if it is not running. Blocks as start() does.
  [[nodiscard]] static Result<Store> open(std::string_view path, const StoreOptions& options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();  // close()

  // Ends the hooks; if open() has started Sluice, stops it. Says what could not be stored. Not from
  // a hook.
  Status close();

  // The database file, for other programs. A private one is removed at the end.
  [[nodiscard]] std::string path() const;

  // ---- saying ----

  // `module` is the logger's name, `extra` the fields.
  Admission log(Level level, std::string_view module, std::string_view message,
                Json extra = {}) noexcept {
    return log_text(level, module, message, extra);
  }
  template <class... T, class Here = decltype([] {})>
    requires(sizeof...(T) > 0)
  Admission log(Level level, std::string_view module, std::string_view message,
                const Field<T>&... extra) noexcept {
    return detail::LevelSites<Here, 0>::log(level, module, message, extra...);
  }
  Admission log_metric(std::string_view name, double value, std::string_view unit = {}) noexcept {
    return gauge(name, value, unit);
  }
  // `function` wrapped so that every call logs the metric function_NAME_duration, in ms.
  template <class F>
  [[nodiscard]] auto profiled(std::string_view name, F function) {
    return [metric = "function_" + std::string(name) + "_duration",
            function = std::move(function)]<class... A>(A&&... arg) mutable -> decltype(auto) {
      const Stopwatch watch(metric);
      return function(std::forward<A>(arg)...);
    };
  }

  // ---- asking ----

  // The newest first; only those of `level` if it is given.
  [[nodiscard]] Result<std::vector<LogRow>> get_logs(std::optional<Level> level = {},
                                                     std::size_t limit = 100) const;
  // Whose messages match a full-text expression: disk full, "a phrase", wor*, AND, OR, NOT, NEAR
  // (https://www.sqlite.org/fts5.html#full_text_query_syntax), the newest first; of
  // this level and worse, if it is given. Fast where the sink has full_text, or `sluice index` was
  // run; the same without.
  [[nodiscard]] Result<std::vector<LogRow>> find_logs(std::string_view expression,
                                                      std::optional<Level> at_least = {},
                                                      std::size_t limit = 100) const;
  [[nodiscard]] Result<std::vector<MetricRow>> get_metrics(std::string_view metric_name = {},
                                                           std::size_t limit = 100) const;
  // All of it as of one moment.
  [[nodiscard]] Result<LogStatistics> get_log_statistics() const;

  // One statement that only reads; ?, ?2 and :name stand for the parameters in order.
  [[nodiscard]] Result<Rows> query(std::string_view sql,
                                   const std::vector<SqlValue>& parameters = {},
                                   const QueryOptions& options = {}) const;
  [[nodiscard]] Result<Cursor> cursor(std::string_view sql,
                                      const std::vector<SqlValue>& parameters = {},
                                      const QueryOptions& options = {}) const;

  // ---- changing ----

  // One statement, in a transaction of its own. The number of rows changed.
  Result<std::int64_t> execute(std::string_view sql, const std::vector<SqlValue>& parameters = {});
  [[nodiscard]] Result<Transaction> begin();
  // A column of `logs`: filled by records that have a field of that name, and by INSERTs. One that
  // is there with that type is left as it is.
  Status add_column(std::string_view name, ColumnType type);
  // Makes questions for one value of a field fast.
  Status add_field_index(std::string_view field);

  // ---- watching ----

  // Waits until what this process said before is committed, at most so long.
  Status flush(std::uint32_t timeout_ms) const;
  // Whether the sink gets on; what keeps it, when it does not.
  [[nodiscard]] Status status() const;

  // `hook` gets what is committed from now on, in order and each row once, on a thread of the
  // store's own. It may ask and log (what it logs comes back to it), and may be slow: rows wait in
  // the file, not in memory; those that retention removes meanwhile it does not see. An exception
  // of it is said on stderr and ends nothing. stop() waits, within its deadline, until it has had
  // everything.
  [[nodiscard]] Result<std::uint64_t> on_commit(std::function<void(const Commit&)> hook);
  // After it the hook does not run any more. Not from a hook.
  void remove_hook(std::uint64_t id);

 private:
  class Stopwatch {
   public:
    explicit Stopwatch(std::string_view metric) noexcept : metric_(metric) {}
    ~Stopwatch() {
      const std::chrono::duration<double, std::milli> passed = Clock::now() - start_;
      gauge(metric_, passed.count(), "ms");
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

   private:
    using Clock = std::chrono::steady_clock;
    const std::string_view metric_;
    const Clock::time_point start_ = Clock::now();
  };

  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_STORE_H_
