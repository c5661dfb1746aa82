// One object of the Elastic Common Schema per record and line, as Elastic's own logging libraries
// write them (https://github.com/elastic/ecs-logging).
//
//   {"@timestamp":"2025-11-22T22:18:03.123456789Z","log.level":"info","message":"...",
//    "ecs.version":"8.11.0","log.logger":"net","event.action":"login","sluice.fields":{...},
//    "trace.id":"4bf9...","span.id":"00f0...","sluice.context":{...},
//    "log.origin.file.name":"a.cc","log.origin.file.line":42,"log.origin.function":"f",
//    "process.pid":7,"process.thread.id":7,"process.thread.name":"main","service.name":"game",
//    "service.version":"1","service.node.name":"RUN","host.name":"box","event.sequence":12}
//
// ECS leaves a program's own fields to a name of its own: "sluice", with their types. What a kind
// of record has beside them is there too (sluice.kind, .name, .value, .unit, .metric, .patch). Left
// out: what is empty, but @timestamp, log.level, message and ecs.version.
//
// Threading: single-owner (it caches per site and per second). Failure: append() says that the
// buffer must be emptied first.
#ifndef SLUICE_SRC_RECORD_ECS_JSON_H_
#define SLUICE_SRC_RECORD_ECS_JSON_H_

#include <string>

#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "record/text_buffer.h"
#include "record/time_text.h"

namespace sluice {

class EcsJson {
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
    std::string level;   // ","log.level":"info","message":"
    std::string origin;  // ,"log.origin.file.name":...
  };
  [[nodiscard]] char* put_kind(const Line& line, const Entry& entry, TextBuffer& out, char* at);

  SiteCache<Line> lines_;
  TimeText time_;
  std::string run_;  // of service_
  std::string service_;
};

}  // namespace sluice

#endif  // SLUICE_SRC_RECORD_ECS_JSON_H_
