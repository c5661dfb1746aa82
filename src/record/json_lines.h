// One strict JSON object per record and line (https://jsonlines.org).
//
//   {"ts":"2025-11-22T22:18:03.123456789Z","level":"info","logger":"net","msg":"...",
//    "kind":"event","event":"user.login","fields":{...},"context":{...},"source":"a.cc:42",
//    "thread":"main","tid":7,"seq":12}
//
// Always there, in this order: ts level logger msg ... tid seq. Where they mean something: kind
// (when not log), event (event) or name (all other kinds), value unit metric (metric), patch
// (state) or fields, context, source, thread; late, backtrace, gap (true); run.
//
// Valid JSON and valid UTF-8 whatever the record holds (record/escape.h); no key twice; nan and
// infinities are the strings "NaN", "Infinity", "-Infinity"; a duration is a number of seconds,
// bytes are hexadecimal, JSON arguments stand as they are when valid and as a string otherwise.
//
// Threading: single-owner (it caches per site and per second). No allocation once every site was
// seen. Failure: append() says that the buffer must be emptied first.
#ifndef SLUICE_SRC_RECORD_JSON_LINES_H_
#define SLUICE_SRC_RECORD_JSON_LINES_H_

#include <string>

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

struct JsonLinesOptions {
  // Adds "run" with the run's id, for lines of several runs in one output.
  bool run = false;
};

class JsonLines {
 public:
  explicit JsonLines(JsonLinesOptions options = {}) : options_(options) {}

  // Appends one line. False: `out` is full and unchanged; empty it and call again.
  [[nodiscard]] bool append(const Entry& entry, TextBuffer& out);

  // To be called after Dictionary::clear().
  void forget_sites() { lines_.clear(); }

 private:
  struct Line {
    explicit Line(const Site& site);
    MessagePlan message;
    FieldPlan fields;
    std::string before_logger;   // ","level":"info","logger":"
    std::string before_message;  // with the site's logger: net","msg":"
    std::string kind;            // ,"kind":"event","event":
    std::string source;          // ,"source":"a.cc:42"
  };
  [[nodiscard]] char* put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at);

  JsonLinesOptions options_;
  SiteCache<Line> lines_;
  TimeText time_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_JSON_LINES_H_
