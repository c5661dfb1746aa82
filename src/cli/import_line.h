// Lines of any program's logs as rows of a store: JSON objects (our JSON Lines, or anybody's),
// logfmt, syslog (RFC 3164 and 5424, with or without their <PRI>), and text.
//
// JSON: time, level, message and logger where programs usually have them; all other keys become
// keys of the attributes, their values byte for byte as they stand. logfmt the same. Syslog: the
// program's name is the logger; host, pid, msgid and structured data are attributes. Text: the
// time, level and thread id in front are understood (cli/text_header.h). A line without a time has
// that of the line before it. Values of secret-sounding fields are redacted, as in a running
// program.
//
// Threading: single-owner. Lines are untrusted; none can fail: what is nothing else is text.
#ifndef SLUICE_SRC_CLI_IMPORT_LINE_H_
#define SLUICE_SRC_CLI_IMPORT_LINE_H_

#include <string>
#include <string_view>
#include <variant>

#include "record/redact.h"
#include "store/restore.h"

namespace sluice::cli {

struct ImportedLog {
  storage::LogRow row;
  std::optional<storage::SiteRow> site;
};
using ImportedRow = std::variant<ImportedLog, storage::PointRow>;

class ImportLines {
 public:
  // `wall_ns`: of the file, for lines before the first that says its time, and for the year that
  // RFC 3164 does not say.
  explicit ImportLines(i64 wall_ns) : file_ns_(wall_ns), last_ns_(wall_ns) {}

  [[nodiscard]] ImportedRow parse(std::string_view line);

 private:
  // A key and its value as JSON text.
  struct Member {
    std::string_view key;  // without its quotes
    std::string_view value;
  };

  bool parse_json(std::string_view line, ImportedRow& to);
  bool parse_logfmt(std::string_view line, ImportedLog& to);
  bool parse_syslog(std::string_view line, ImportedLog& to);
  bool parse_rfc5424(std::string_view rest, ImportedLog& to);
  bool parse_rfc3164(std::string_view rest, bool has_priority, ImportedLog& to);
  void parse_text(std::string_view line, ImportedLog& to);
  void from_members(std::string_view line, const std::vector<Member>& members, ImportedRow& to);
  // {"a":1,"b":2} of what is not in the row otherwise; nothing when there is none.
  void add_attribute(std::string& json, std::string_view key, std::string_view value);
  [[nodiscard]] std::string without_secrets(std::string_view json) const;
  void set_time(std::optional<i64> wall_ns, i64& to);

  const i64 file_ns_;
  i64 last_ns_;
  Redactor redactor_;
};

// As stores have texts; and that as a value of JSON.
[[nodiscard]] std::string stored_text(std::string_view text);
[[nodiscard]] std::string stored_json(std::string_view text);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_IMPORT_LINE_H_
