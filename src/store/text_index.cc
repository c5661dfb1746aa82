#include "store/text_index.h"

#include <algorithm>
#include <cstdint>

#include "os/process.h"

namespace sluice::storage {
namespace {

// Between two looks at the clock.
constexpr i64 kBitRows = 32;

constexpr char kMakeIndex[] =
    "CREATE TABLE text_parts(id INTEGER PRIMARY KEY, first_record INTEGER NOT NULL,"
    " last_record INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " stale INTEGER NOT NULL DEFAULT 0) STRICT;"
    // The ids from here on are given again.
    "CREATE TRIGGER text_parts_delete AFTER DELETE ON records"
    " WHEN NOT EXISTS(SELECT 1 FROM records WHERE id > OLD.id) BEGIN"
    " UPDATE text_parts SET stale = 1"
    "  WHERE last_record > coalesce((SELECT max(id) FROM records), 0); END;"
    "CREATE TRIGGER text_parts_update AFTER UPDATE OF id, body ON records BEGIN"
    " UPDATE text_parts SET stale = 1 WHERE OLD.id BETWEEN first_record AND last_record"
    "  OR NEW.id BETWEEN first_record AND last_record"
    "  OR last_record > (SELECT max(id) FROM records); END";

// Its id; 0: there is none.
Result<i64> find_dead_part(Connection& connection, bool sparse) {
  const Result<bool> has = has_text_index(connection);
  if (!has.ok()) return has.status();
  if (!has.value()) return i64{0};
  std::string dead =
      "SELECT text_parts.id FROM text_parts, (SELECT coalesce((SELECT min(id) FROM records),"
      " 9223372036854775807) AS oldest) WHERE stale = 1 OR last_record < oldest";
  if (sparse) dead += " OR (last_record - max(first_record, oldest) + 1) * 2 < rows";
  return connection.integer_of(dead + " LIMIT 1");
}

Status missing_module(Status status) {
  if (status.message().find("no such module") == std::string::npos) return status;
  return fatal(status.message() + "; this SQLite has no FTS5: use one that was built with it");
}

}  // namespace

std::string text_table(i64 part) { return "records_text_" + std::to_string(part); }

Result<bool> has_text_index(Connection& connection) {
  const Result<i64> found = connection.integer_of(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'text_parts'");
  if (!found.ok()) return found.status();
  return found.value() != 0;
}

Result<std::vector<TextPart>> text_parts(Connection& connection) {
  std::vector<TextPart> parts;
  const Result<bool> has = has_text_index(connection);
  if (!has.ok()) return has.status();
  if (!has.value()) return parts;
  Result<Statement> rows = connection.prepare(
      "SELECT id, first_record, last_record, rows, bytes FROM text_parts WHERE stale = 0"
      " ORDER BY first_record");
  if (!rows.ok()) return rows.status();
  for (;;) {
    const Result<bool> row = rows.value().step();
    if (!row.ok()) return row.status();
    if (!row.value()) return parts;
    const Statement& part = rows.value();
    parts.push_back(
        {part.integer(0), part.integer(1), part.integer(2), part.integer(3), part.integer(4)});
  }
}

Result<bool> drop_dead_part(Connection& connection, bool sparse) {
  const Result<i64> part = find_dead_part(connection, sparse);
  if (!part.ok()) return part.status();
  if (part.value() == 0) return false;
  const Status status =
      connection.run("DROP TABLE IF EXISTS " + text_table(part.value()) +
                     "; DELETE FROM text_parts WHERE id = " + std::to_string(part.value()));
  if (!status.ok()) return missing_module(status);
  return true;
}

Status mark_sparse_parts(Connection& connection) {
  return connection.run(
      "UPDATE text_parts SET stale = 1 WHERE (SELECT count(*) FROM records"
      " WHERE id BETWEEN first_record AND last_record) * 2 < rows");
}

Status mark_all_parts(Connection& connection) {
  return connection.run("UPDATE text_parts SET stale = 1");
}

Status remove_text_index(Connection& connection) {
  return connection.run(
      "DROP TRIGGER IF EXISTS text_parts_delete; DROP TRIGGER IF EXISTS text_parts_update;"
      " DROP TABLE IF EXISTS text_parts");
}

// ---- TextIndexer ----

// The first rows that no part has; they go into the part before them while that is not full.
Result<bool> TextIndexer::find_gap(Gap& gap) {
  const Result<std::vector<TextPart>> parts = text_parts(connection_);
  if (!parts.ok()) return parts.status();
  Result<Statement> next =
      connection_.prepare("SELECT id FROM records WHERE id >= ? ORDER BY id LIMIT 1");
  if (!next.ok()) return next.status();
  gap = {INT64_MIN, INT64_MAX, {}};
  for (std::size_t i = 0;; ++i) {
    next.value().reset();
    next.value().bind(1, gap.first);
    const Result<bool> row = next.value().step();
    if (!row.ok() || !row.value()) return row;
    const i64 id = next.value().integer(0);
    const bool behind = i == parts.value().size();
    if (behind || id < parts.value()[i].first_record) {
      gap.first = id;
      if (!behind) gap.last = parts.value()[i].first_record - 1;
      break;
    }
    gap.part = parts.value()[i];
    if (gap.part.last_record == INT64_MAX) return false;
    gap.first = gap.part.last_record + 1;
  }
  const Result<i64> span = connection_.integer_of(
      "SELECT (SELECT max(id) FROM records) - (SELECT min(id) FROM records)");
  if (!span.ok()) return span.status();
  const bool full =
      gap.part.bytes >= kPartBytesMax || gap.part.rows >= std::max(kPartRowsMin, span.value() / 8);
  if (full) gap.part = {};
  return true;
}

Status TextIndexer::fill(Gap& gap, i64 until_ns) {
  TextPart& part = gap.part;
  if (part.id == 0) {
    const Result<i64> id =
        connection_.integer_of("SELECT coalesce(max(id), 0) + 1 FROM text_parts");
    if (!id.ok()) return id.status();
    part.id = id.value();
    part.first_record = gap.first;
    const Status made = connection_.run("CREATE VIRTUAL TABLE " + text_table(part.id) + " USING " +
                                        std::string(kTextTable));
    if (!made.ok()) return missing_module(made);
  }
  if (!insert_ || part_of_insert_ != part.id) {
    const Status made = connection_.prepare_into(
        insert_, "INSERT INTO " + text_table(part.id) + "(rowid, message) VALUES(?, ?)");
    if (!made.ok()) return made;
    part_of_insert_ = part.id;
  }
  Result<Statement> rows =
      connection_.prepare("SELECT id, body FROM records WHERE id BETWEEN ? AND ? ORDER BY id");
  if (!rows.ok()) return rows.status();
  rows.value().bind(1, gap.first);
  rows.value().bind(2, gap.last);
  // Some rows at least, or a slow machine would never get on.
  for (i64 taken = 0; taken < kBitRows || taken % kBitRows != 0 || os::monotonic_ns() < until_ns;
       ++taken) {
    const Result<bool> row = rows.value().step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    const std::string_view text = rows.value().text(1);
    insert_.bind(1, rows.value().integer(0));
    insert_.bind(2, text);
    const Status put = insert_.run();
    if (!put.ok()) return put;
    part.last_record = rows.value().integer(0);
    part.bytes += i64(text.size());
    ++part.rows;
    ++counts_.rows;
    if (part.bytes >= kPartBytesMax) break;
  }
  Result<Statement> note = connection_.prepare(
      "INSERT INTO text_parts(id, first_record, last_record, rows, bytes) VALUES(?, ?, ?, ?, ?)"
      " ON CONFLICT(id) DO UPDATE SET last_record = ?3, rows = ?4, bytes = ?5");
  if (!note.ok()) return note.status();
  int at = 0;
  for (const i64 value : {part.id, part.first_record, part.last_record, part.rows, part.bytes}) {
    note.value().bind(++at, value);
  }
  return note.value().run();
}

Status TextIndexer::work() {
  const i64 until = os::monotonic_ns() + kStepNs;
  const Result<bool> has = has_text_index(connection_);
  if (!has.ok()) return has.status();
  if (!has.value()) {
    const Status made = connection_.run(kMakeIndex);
    if (!made.ok()) return made;
  }
  const Result<bool> dropped = drop_dead_part(connection_, false);
  if (!dropped.ok()) return dropped.status();
  if (dropped.value()) {
    insert_ = {};
    return {};
  }
  Gap gap;
  const Result<bool> found = find_gap(gap);
  if (!found.ok() || !found.value()) return found.status();
  return fill(gap, until);
}

Result<bool> TextIndexer::is_behind() {
  Gap gap;
  const Result<bool> found = find_gap(gap);
  if (!found.ok() || found.value()) return found;
  const Result<i64> dead = find_dead_part(connection_, false);
  if (!dead.ok()) return dead.status();
  return dead.value() != 0;
}

Result<bool> TextIndexer::step() {
  const DatabaseUse use;
  const Result<bool> behind = is_behind();
  if (!behind.ok() || !behind.value()) return behind;
  Status status = connection_.run("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  const i64 started = os::monotonic_ns();
  const u64 before = counts_.rows;
  status = work();
  if (status.ok()) status = connection_.run("COMMIT");
  if (!status.ok()) {
    if (connection_.in_transaction()) (void)connection_.run("ROLLBACK");
    insert_ = {};
    counts_.rows = before;
    return status;
  }
  ++counts_.steps;
  counts_.longest_step_ns = std::max(counts_.longest_step_ns, os::monotonic_ns() - started);
  return true;
}

}  // namespace sluice::storage
