// One line of key=value pairs per record (https://brandur.org/logfmt).
//
//   ts=... level=info logger=net msg="paid in full" kind=event event=paid user=7 context.trace=ab
//   source=a.cc:42 thread=main tid=7 seq=12
//
// All on one line, with the keys and the conditions of record/json_lines.h; fields stand among the
// rest under their own keys (one that is taken gets a suffix: msg_2) and context fields under
// "context.". Texts are bare when they can be and quoted like JSON otherwise.
//
// Threading: single-owner (it caches per site and per second). No allocation once every site was
// seen, but for state patches. Failure: append() says that the buffer must be emptied first.
#ifndef SLUICE_SRC_RECORD_LOGFMT_H_
#define SLUICE_SRC_RECORD_LOGFMT_H_

#include <string>

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

class Logfmt {
 public:
  // Appends one line. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

  // To be called after Dictionary::clear().
  void forget_sites() { lines_.clear(); }

 private:
  struct Line {
    explicit Line(const Site& site);
    MessagePlan message;
    FieldPlan fields;
    std::string level;   // " level=info"
    std::string kind;    // " kind=event event="
    std::string source;  // " source=a.cc:42"
  };
  char* put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at);

  SiteCache<Line> lines_;
  TimeText time_;
  TextBuffer patch_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_LOGFMT_H_
