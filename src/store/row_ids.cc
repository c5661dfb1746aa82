#include "store/row_ids.h"

namespace sluice::storage {

std::string insert_record_sql(const std::vector<CustomColumn>& custom) {
  std::string names, marks;
  for (const CustomColumn& column : custom) {
    names += ", " + quoted_name(column.name);
    marks += ", ?";
  }
  return "INSERT INTO records(time_ns, severity, run, sequence, thread, site, logger, event, body,"
         " attributes, context" +
         names + ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?" + marks + ")";
}

Result<i64> insert_and_find(Statement& insert, Statement& find) {
  const Status status = insert.run();
  if (!status.ok()) return status;
  const Result<bool> row = find.step();
  if (!row.ok()) return row.status();
  const i64 id = row.value() ? find.integer(0) : 0;
  find.reset();
  return id;
}

Status RowIds::prepare(Connection& connection) {
  Status status;
  const auto make = [&](Statement& to, std::string_view sql) {
    if (status.ok()) status = connection.prepare_into(to, sql);
  };
  make(insert_site_,
       "INSERT OR IGNORE INTO sites(kind, severity, logger, file, line, function, format)"
       " VALUES(?, ?, ?, ?, ?, ?, ?)");
  make(find_site_,
       "SELECT id FROM sites WHERE kind = ? AND severity = ? AND logger = ? AND file = ?"
       " AND line = ? AND function = ? AND format = ?");
  make(insert_series_, "INSERT OR IGNORE INTO series(name, kind, unit, tags) VALUES(?, ?, ?, ?)");
  make(find_series_, "SELECT id FROM series WHERE name = ? AND kind = ? AND unit = ? AND tags = ?");
  return status;
}

Result<i64> RowIds::site(const SiteTexts& texts) {
  for (Statement* statement : {&insert_site_, &find_site_}) {
    statement->bind(1, texts.kind);
    statement->bind(2, texts.severity);
    statement->bind(3, texts.logger);
    statement->bind(4, texts.file);
    statement->bind(5, texts.line);
    statement->bind(6, texts.function);
    statement->bind(7, texts.format);
  }
  return insert_and_find(insert_site_, find_site_);
}

Result<i64> RowIds::series(const SeriesTexts& texts) {
  for (Statement* statement : {&insert_series_, &find_series_}) {
    statement->bind(1, texts.name);
    statement->bind(2, texts.kind);
    statement->bind(3, texts.unit);
    statement->bind(4, texts.tags);
  }
  return insert_and_find(insert_series_, find_series_);
}

}  // namespace sluice::storage
