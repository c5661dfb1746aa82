// Texts that would do harm if one of them ever became part of a statement.
#ifndef SLUICE_TESTS_SUPPORT_HOSTILE_SQL_H_
#define SLUICE_TESTS_SUPPORT_HOSTILE_SQL_H_

#include <string>
#include <vector>

namespace sluice::test {

// None of them is a number, a time or a level, and none begins with '-'.
inline const std::vector<std::string>& hostile_sql() {
  static const std::vector<std::string> all = {
      "'; DROP TABLE records; --",
      "\"; DROP TABLE records; --",
      "`; DROP TABLE points; --",
      "]; DROP VIEW logs; --",
      "' OR '1'='1",
      "\" OR \"\"=\"",
      "x' UNION SELECT 1,2,3 --",
      "\\'; DELETE FROM points; --",
      "');DELETE FROM records;--",
      "/* ' */ '; UPDATE records SET body = 'x'; /*",
      "'||(SELECT group_concat(sql) FROM sqlite_schema)||'",
      "%",
      "_%'",
      "?1",
      ":name",
      "$.a\"') IS NULL OR 1=1 --",
      "*' OR 1=1 --",
      "'); ATTACH 'stolen.db' AS s; --",
      "'\n; DROP TABLE records;\n--",
      "file:a.db?mode=memory&x='",
      "\xe2\x80\x99; DROP TABLE records; --"};
  return all;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_SUPPORT_HOSTILE_SQL_H_
