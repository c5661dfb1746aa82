#include "store/select.h"

#include <algorithm>

#include "store/field_condition.h"
#include "store/schema.h"

namespace sluice::storage {
namespace {

constexpr Level kLevels[] = {Level::trace,   Level::debug, Level::info,    Level::notice,
                             Level::warning, Level::error, Level::critical};

constexpr std::size_t kGlobBytesMax = 10'000;  // SQLite takes no pattern above 50,000

// '*' behind a prefix is all that SQL decides: more stars could take it for ever.
struct LoggerCondition {
  std::string sql;
  std::string value;
  bool exact;
};
LoggerCondition logger_condition(const std::string& glob) {
  const auto star = glob.find('*');
  if (star == std::string::npos) return {"logger = ?", glob, true};
  if (star > kGlobBytesMax) return {"logger <> ?", "", false};
  std::string pattern;
  for (const char c : glob.substr(0, star)) {
    if (c == '?' || c == '[') {
      pattern += std::string("[") + c + "]";
    } else {
      pattern += c;
    }
  }
  return {"logger GLOB ?", pattern + "*", star + 1 == glob.size()};
}

// The longest run of letters and digits. Where a line of text holds `text`, it holds this within
// the message, a key or a value.
std::string word_of(std::string_view text) {
  const auto in_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           u8(c) >= 0x80;
  };
  std::string_view longest;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && in_word(text[end])) ++end;
    if (end - i > longest.size()) longest = text.substr(i, end - i);
    i = end + 1;
  }
  return std::string(longest);
}

// False only where the line of text that a record is cannot hold `word`: what is shown as it is
// stored does not hold it, and nothing is shown otherwise (record/escape.h; JSON has a backslash
// wherever it is not the text itself).
bool line_may_hold(const StoredTexts& texts, std::string_view word) {
  constexpr auto kNone = std::string_view::npos;
  if (texts.body.find(word) != kNone || texts.attributes.find(word) != kNone ||
      texts.context.find(word) != kNone) {
    return true;
  }
  if (texts.attributes.find('\\') != kNone || texts.context.find('\\') != kNone) return true;
  // Controls, and what others are escaped begin with in UTF-8.
  return std::any_of(texts.body.begin(), texts.body.end(), [](char c) {
    return u8(c) < ' ' || c == '\x7f' || c == '\xc2' || c == '\xd8' || c == '\xe2';
  });
}

}  // namespace

void Where::add(std::string_view condition, std::vector<Bound> values) {
  sql_ += sql_.empty() ? " WHERE " : " AND ";
  sql_ += condition;
  for (Bound& value : values) values_.push_back(std::move(value));
}

void add_run(Where& where, const std::string& run_begins) {
  // No byte of UTF-8 is ff.
  where.add("run IN (SELECT id FROM runs WHERE run_id >= ? AND run_id < ?)",
            {run_begins, run_begins + "\xff"});
}

LogFinder::LogFinder(Connection& connection, Filter filter, std::optional<std::string> text)
    : connection_(connection),
      filter_(std::move(filter)),
      match_(std::move(text)),
      grep_word_(word_of(filter_.grep)),
      text_(connection) {
  if (!filter_.logger.empty()) check_logger_ = !logger_condition(filter_.logger).exact;
  for (const FieldMatch& match : filter_.fields) {
    check_fields_ = check_fields_ || !field_condition(match).exact;
  }
}

Result<bool> LogFinder::has_index_of(const FieldMatch& match) {
  const std::vector<std::string> fields = fields_looked_at(match);
  for (const std::string& field : fields) {
    Result<Statement> find =
        connection_.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?");
    if (!find.ok()) return find.status();
    const std::string name = "records_by_field_" + field;
    find.value().bind(1, std::string_view(name));
    const Result<bool> row = find.value().step();
    if (!row.ok() || !row.value()) return row;
  }
  return !fields.empty();
}

// The rows of the runs that are wanted; false: they have none.
Result<bool> LogFinder::find_run() {
  Where where;
  where.add("run_id >= ? AND run_id < ?", {filter_.run, filter_.run + "\xff"});
  Result<Statement> range = connection_.prepare(
      "SELECT coalesce(min(first_record), 0), coalesce(max(last_record), 0) FROM runs" +
      where.sql());
  if (!range.ok()) return range.status();
  const Status bound = bind_all(range.value(), where.values());
  if (!bound.ok()) return bound;
  const Result<bool> row = range.value().step();
  if (!row.ok()) return row.status();
  first_of_run_ = range.value().integer(0);
  last_of_run_ = range.value().integer(1);
  return last_of_run_ != 0;
}

// As many as the ids at both ends are apart, more or less.
Result<i64> LogFinder::rows_between_times() {
  Result<Statement> ends = connection_.prepare(
      "SELECT (SELECT id FROM records WHERE time_ns < ? ORDER BY time_ns DESC LIMIT 1)"
      " - (SELECT id FROM records WHERE time_ns >= ? ORDER BY time_ns LIMIT 1)");
  if (!ends.ok()) return ends.status();
  ends.value().bind(1, filter_.until_ns.value_or(INT64_MAX));
  ends.value().bind(2, filter_.since_ns.value_or(INT64_MIN));
  const Result<bool> row = ends.value().step();
  if (!row.ok()) return row.status();
  return ends.value().integer(0);
}

Result<LogFinder::Path> LogFinder::choose_path() {
  first_of_run_ = last_of_run_ = 0;
  if (!filter_.run.empty()) {
    const Result<bool> any = find_run();
    if (!any.ok()) return any.status();
    if (!any.value()) return Path::kNothing;
  }
  for (const FieldMatch& match : filter_.fields) {
    const Result<bool> has = has_index_of(match);
    if (!has.ok()) return has.status();
    if (has.value()) return Path::kField;
  }
  if (filter_.level && *filter_.level >= Level::warning) return Path::kLevel;
  if (filter_.run.empty()) {
    return filter_.level && *filter_.level > Level::trace ? Path::kLevel : Path::kTime;
  }
  if (!filter_.since_ns && !filter_.until_ns) return Path::kRun;
  const Result<i64> in_time = rows_between_times();
  if (!in_time.ok()) return in_time.status();
  return in_time.value() < last_of_run_ - first_of_run_ ? Path::kTime : Path::kRun;
}

// A '+' keeps SQLite from taking another index than the one that was chosen.
void LogFinder::add_times(Where& where, bool by_index) const {
  const std::string column = by_index ? "time_ns" : "+time_ns";
  if (filter_.since_ns) where.add(column + " >= ?", {*filter_.since_ns});
  if (filter_.until_ns) where.add(column + " < ?", {*filter_.until_ns});
}

void LogFinder::add_rest(Where& where, bool of_level) const {
  if (!of_level && filter_.level) where.add("severity >= ?", {i64(*filter_.level)});
  if (!filter_.run.empty()) {
    if (last_of_run_ != 0) where.add("+id BETWEEN ? AND ?", {first_of_run_, last_of_run_});
    add_run(where, filter_.run);
  }
  if (!filter_.logger.empty()) {
    const LoggerCondition logger = logger_condition(filter_.logger);
    where.add(logger.sql, {logger.value});
  }
  for (const FieldMatch& match : filter_.fields) {
    FieldCondition field = field_condition(match);
    where.add(field.sql, std::move(field.values));
  }
}

Query LogFinder::select(const Where& where, std::string_view order, const std::string& from) const {
  const bool check = check_logger_ || check_fields_ || filter_.needs_message() || match_;
  std::string sql = "SELECT id, time_ns";
  if (check) sql += ", logger, site, body, attributes, context";
  sql.append(" FROM ").append(from).append(where.sql()).append(order);
  return {std::move(sql), where.values(), !order.empty()};
}

Result<std::vector<Query>> LogFinder::queries() {
  const Result<Path> path = choose_path();
  if (!path.ok()) return path.status();
  std::vector<Query> all;
  Where where;
  switch (path.value()) {
    case Path::kNothing:
      break;
    case Path::kField:
      add_times(where, false);
      add_rest(where, false);
      all.push_back(select(where, ""));
      break;
    case Path::kRun:
      where.add("id BETWEEN ? AND ?", {first_of_run_, last_of_run_});
      add_times(where, false);
      add_rest(where, false);
      all.push_back(select(where, " ORDER BY id DESC"));
      break;
    case Path::kTime:
      add_times(where, true);
      add_rest(where, false);
      all.push_back(select(where, " ORDER BY time_ns DESC, id DESC"));
      break;
    case Path::kLevel:
      return queries_by_level();
  }
  return all;
}

std::vector<Query> LogFinder::queries_by_level() const {
  const std::string level(kLevelText), time(kTimeText);
  std::vector<Query> all;
  const auto add = [&](std::string_view condition, Bound value) {
    Where where;
    where.add(level + std::string(condition), {std::move(value)});
    if (filter_.since_ns) where.add(time + " >= " + kTimeTextOfMark, {*filter_.since_ns});
    if (filter_.until_ns) where.add(time + " <= " + kTimeTextOfMark, {*filter_.until_ns});
    add_times(where, false);
    add_rest(where, true);
    all.push_back(select(where, " ORDER BY " + time + " DESC, id DESC"));
  };
  for (const Level one : kLevels) {
    if (one >= *filter_.level) add(" = ?", std::string(level_text(one)));
  }
  // Severities that have no name are numbers there, and numbers come before texts.
  add(" BETWEEN ? AND 255", i64(*filter_.level));
  return all;
}

bool LogFinder::passes(const Statement& row) {
  if (check_logger_ && !logger_matches(filter_.logger, row.text(2))) return false;
  if (check_fields_) {
    for (const FieldMatch& match : filter_.fields) {
      if (!json_field_matches(row.text(5), match) && !json_field_matches(row.text(6), match)) {
        return false;
      }
    }
  }
  if (!filter_.needs_message()) return true;
  const StoredTexts texts{row.integer(3), row.text(4), row.text(5), row.text(6)};
  if (!line_may_hold(texts, grep_word_)) return false;
  const std::string_view line = text_.of(texts);
  return line.find(filter_.grep) != std::string_view::npos;
}

Status LogFinder::collect(const Query& query, u64 limit, std::vector<Found>& found) {
  if (match_) {
    return walk(query, query.newest_first ? Order::kNewestFirst : Order::kAny, false, limit, found);
  }
  Result<Statement> made = connection_.prepare(query.sql);
  if (!made.ok()) return made.status();
  Statement& rows = made.value();
  const Status bound = bind_all(rows, query.values);
  if (!bound.ok()) return bound;
  const bool check = rows.columns() > 2;
  u64 taken = 0;
  for (;;) {
    const Result<bool> row = rows.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    if (check && !passes(rows)) continue;
    found.push_back({rows.integer(1), rows.integer(0)});
    ++taken;
    if (limit == 0) continue;
    if (query.newest_first && taken == limit) break;
    if (found.size() > 2 * limit + 1000) keep_newest(limit, found);
  }
  return {};
}

void LogFinder::keep_newest(u64 limit, std::vector<Found>& found) {
  if (limit == 0 || found.size() <= limit) return;
  const auto newer = [](const Found& a, const Found& b) { return b < a; };
  std::nth_element(found.begin(), found.begin() + std::ptrdiff_t(limit), found.end(), newer);
  found.resize(limit);
}

Status LogFinder::collect_all(u64 limit, std::vector<Found>& found) {
  const Result<std::vector<Query>> all = queries();
  if (!all.ok()) return all.status();
  for (const Query& query : all.value()) {
    const Status status = collect(query, limit, found);
    if (!status.ok()) return status;
  }
  return {};
}

Result<std::vector<i64>> LogFinder::newest(u64 limit) {
  std::vector<Found> found;
  const Status status = match_ ? collect_matching(limit, found) : collect_all(limit, found);
  if (!status.ok()) return status;
  keep_newest(limit, found);
  std::sort(found.begin(), found.end());
  std::vector<i64> ids;
  ids.reserve(found.size());
  for (const Found& one : found) ids.push_back(one.id);
  return ids;
}

Result<std::vector<i64>> LogFinder::since(i64& last) {
  if (match_) {
    const Status made = make_matcher();
    if (!made.ok()) return made;
  }
  // Rows that come after this are for the next call.
  const Result<i64> newest = connection_.integer_of("SELECT max(id) FROM records");
  if (!newest.ok()) return newest.status();
  Where where;
  where.add("id > ? AND id <= ?", {last, newest.value()});
  first_of_run_ = last_of_run_ = 0;
  add_times(where, false);
  add_rest(where, false);
  std::vector<Found> found;
  if (newest.value() > last) {
    const Status status = collect(select(where, " ORDER BY id"), 0, found);
    if (!status.ok()) return status;
  }
  last = newest.value();
  std::vector<i64> ids;
  for (const Found& one : found) ids.push_back(one.id);
  return ids;
}

}  // namespace sluice::storage
