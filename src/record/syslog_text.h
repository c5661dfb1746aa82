// One message of RFC 5424 per record.
//
//   <14>1 2025-11-22T22:18:03.123456Z box game 4711 login [sluice@32473 level="info" seq="12"
//   tid="7" logger="net" source="a.cc:42"][fields@32473 user="7"][context@32473 trace="ab"] text
//
// HOSTNAME, APP-NAME and PROCID are the run's, MSGID is the name of an event or another record that
// has one; a byte that such a field cannot hold becomes '_', and what is longer is cut (6.2).
// Structured data: what is known of the record, its fields, its context; names of parameters as
// 6.3.3 allows them, values with '"', '\' and ']' behind a backslash and nothing else changed but
// what no output of ours holds (record/escape.h). 32473 is the enterprise number for examples
// (RFC 5612). MSG is the message without a byte order mark. The time has six digits, as 6.2.3 has.
//
// Threading: single-owner (it caches per site and per second). Failure: append() says that the
// buffer must be emptied first.
#ifndef SLUICE_SRC_RECORD_SYSLOG_TEXT_H_
#define SLUICE_SRC_RECORD_SYSLOG_TEXT_H_

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

class SyslogText {
 public:
  // `facility`: 0 to 23.
  explicit SyslogText(u8 facility) : facility_(facility) {}

  // Appends one message. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

 private:
  struct Line {
    explicit Line(const Site& site);
    MessagePlan message;
    FieldPlan fields;
  };
  char* put_header(const Entry& entry, TextBuffer& out, char* at);
  static char* put_own_data(const Entry& entry, const FieldPlan& fields, TextBuffer& out, char* at);

  const u8 facility_;
  SiteCache<Line> lines_;
  TimeText time_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_SYSLOG_TEXT_H_
