// Which records a Filter lets through: SQL that narrows by indexes, and what SQL cannot say after
// it, in code. All values are bound to the statements. (Names of fields stand in them as quoted
// texts, since SQLite finds an index on an expression by its text only.)
//
// How the rows are found, the first that fits:
//   a field that has an index                by it, then the newest of them
//   --level warning and worse                by level and time, each level on its own
//   --run                                    the range of row ids that the run has
//   other levels                             by level and time
//   anything else                            by time
// With --run and a time, that of the two ranges which holds fewer rows.
//
// A full-text expression is asked of the parts of the index (store/text_index.h), the newest rows
// first, and of the texts of rows that are in no part; of all rows in the ways above where there is
// no index (store/select_match.cc). The answer is the same, whatever is indexed.
//
// A field that a record and its context both have is the record's, as in the view `logs`. Levels,
// times, loggers and runs are as in record/filter.h, and so is --grep: it looks at the whole line
// of text that the record is, fields and all (store/row_text.h).
//
// Threading: single-owner, as the connection. Blocking: as the disk; nothing is locked between
// calls. Memory: 16 bytes a record found. Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_SELECT_H_
#define SLUICE_SRC_STORE_SELECT_H_

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "record/filter.h"
#include "store/row_text.h"
#include "store/sqlite.h"
#include "store/text_index.h"
#include "store/text_match.h"
#include "store/values.h"

namespace sluice::storage {

using Bound = SqlValue;

// A statement and the values of its marks.
struct Query {
  std::string sql;
  std::vector<Bound> values;
  bool newest_first = false;
};

// Conditions, all of which hold.
class Where {
 public:
  void add(std::string_view condition, std::vector<Bound> values = {});
  // " WHERE ..."; empty without conditions.
  [[nodiscard]] const std::string& sql() const { return sql_; }
  [[nodiscard]] const std::vector<Bound>& values() const { return values_; }

 private:
  std::string sql_;
  std::vector<Bound> values_;
};

// A time that is bound to it, as the indexes have times (kTimeText). What is not before a time is
// not before it in milliseconds either.
inline constexpr char kTimeTextOfMark[] =
    "strftime('%Y-%m-%d %H:%M:%f',?/1000000/1000.0,'unixepoch')";

// Rows whose `run` is one whose id begins with this.
void add_run(Where& where, const std::string& run_begins);

class LogFinder {
 public:
  // `connection` must outlive it. The filter's limit is not looked at. `text`: what the messages
  // must match besides (https://www.sqlite.org/fts5.html#full_text_query_syntax).
  LogFinder(Connection& connection, Filter filter, std::optional<std::string> text = {});

  // The ids of the newest records that pass, at most `limit` (0: all), the oldest first.
  [[nodiscard]] Result<std::vector<i64>> newest(u64 limit);
  // The ids of those that pass and came after `last`, in the order in which they came; moves `last`
  // to the newest record there is.
  [[nodiscard]] Result<std::vector<i64>> since(i64& last);

  // The statements of newest(), newest rows first but for those found by a field.
  [[nodiscard]] Result<std::vector<Query>> queries();

 private:
  struct Found {
    i64 time_ns;
    i64 id;
    auto operator<=>(const Found&) const = default;
  };
  enum class Path { kField, kLevel, kRun, kTime, kNothing };
  enum class Order { kAny, kNewestFirst, kHighestIdFirst };

  [[nodiscard]] Result<Path> choose_path();
  [[nodiscard]] Result<bool> has_index_of(const FieldMatch& field);
  [[nodiscard]] Result<bool> find_run();
  [[nodiscard]] Result<i64> rows_between_times();
  void add_times(Where& where, bool by_index) const;
  void add_rest(Where& where, bool of_level) const;
  [[nodiscard]] std::vector<Query> queries_by_level() const;
  [[nodiscard]] Query select(const Where& where, std::string_view order,
                             const std::string& from = "records") const;
  [[nodiscard]] bool passes(const Statement& row);
  Status collect_all(u64 limit, std::vector<Found>& found);
  Status collect(const Query& query, u64 limit, std::vector<Found>& found);
  // Of full text.
  Status make_matcher();
  Status collect_matching(u64 limit, std::vector<Found>& found);
  Status collect_down(u64 limit, const std::vector<TextPart>& parts, std::vector<Found>& found);
  Status walk(const Query& query, Order order, bool indexed, u64 limit, std::vector<Found>& found);
  Status match_waiting(std::vector<Found>& waiting, std::vector<Found>& found);
  [[nodiscard]] Query between_ids(i64 first, i64 last) const;
  [[nodiscard]] Query of_part(i64 part) const;
  [[nodiscard]] Result<bool> has_all(i64 below, u64 limit, std::vector<Found>& found);
  static void keep_newest(u64 limit, std::vector<Found>& found);

  Connection& connection_;
  const Filter filter_;
  const std::optional<std::string> match_;
  std::unique_ptr<TextMatcher> matcher_;
  bool check_logger_ = false;
  bool check_fields_ = false;
  const std::string grep_word_;
  i64 first_of_run_ = 0, last_of_run_ = 0;
  RowText text_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_SELECT_H_
