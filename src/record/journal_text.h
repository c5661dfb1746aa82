// One entry of systemd's journal per record, in its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
//
//   MESSAGE=...  PRIORITY=6  SYSLOG_FACILITY=1  SYSLOG_IDENTIFIER=game  CODE_FILE=a.cc CODE_LINE=42
//   CODE_FUNC=f  TID=7  SLUICE_LEVEL=info  SLUICE_SEQ=12  SLUICE_TIME=2025-...Z  SLUICE_LOGGER=net
//   SLUICE_THREAD=main  SLUICE_RUN=...  SLUICE_KIND=event  SLUICE_NAME=login  USER=7
//
// A field `user` is USER; what a journal's name cannot hold becomes '_', and a name of the list
// above, or one that does not begin with a letter, gets FIELD_ in front. Context fields begin with
// CONTEXT_. Texts are the program's bytes; all but a value with a control byte stand as NAME=value,
// the others as name, length and bytes.
//
// Threading: single-owner (it caches per site and per second). Failure: append() says that the
// buffer must be emptied first.
#ifndef SLUICE_SRC_RECORD_JOURNAL_TEXT_H_
#define SLUICE_SRC_RECORD_JOURNAL_TEXT_H_

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

class JournalText {
 public:
  explicit JournalText(u8 facility) : facility_(facility) {}

  // Appends one entry. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

 private:
  struct Line {
    explicit Line(const Site& site);
    MessagePlan message;
    FieldPlan fields;
  };

  const u8 facility_;
  SiteCache<Line> lines_;
  TimeText time_;
  TextBuffer text_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_JOURNAL_TEXT_H_
