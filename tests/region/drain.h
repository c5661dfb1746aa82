// Drains a region file as recovery does, into a sink that renders every record in both forms and
// writes nothing. For files with any bytes in them.
#ifndef SLUICE_TESTS_REGION_DRAIN_H_
#define SLUICE_TESTS_REGION_DRAIN_H_

#include <set>
#include <string>

#include "back/engine.h"
#include "os/process.h"
#include "record/json_lines.h"
#include "record/text_pattern.h"
#include "sink/selection.h"

namespace sluice::test {

class Silent final : public Reporter {
 public:
  void report(std::string_view) override {}
};

// What a drain delivered.
struct Drained {
  int adopted = 0;  // what adopt() returned
  u64 records = 0;  // rendered, those about damage included
  u64 callers = 0;
  u64 damaged = 0;
  bool merged = false;
  std::string json;  // all lines
};

class RenderingSink final : public back::Sink {
 public:
  explicit RenderingSink(Drained& out) : out_(out), selection_(config()) {}

  Status open(const back::Catalog&, back::Cursor&) override { return {}; }
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override {
    for (const BatchView& batch : batches) write_batch(batch, catalog, cursor);
    return {};
  }
  void write_batch(const BatchView& batch, back::Catalog& catalog, back::Cursor& cursor) {
    u64 filtered = 0;
    (void)selection_.walk(batch, catalog, cursor.sequence(), filtered, [&](const sink::Item& item) {
      text_.clear();
      (void)pattern_.append(item.entry, text_);
      text_.clear();
      (void)json_.append(item.entry, text_);
      if (out_.json.size() < (1u << 20)) out_.json += text_.text();
      ++out_.records;
      out_.callers += item.counts.delivered;
      cursor.passed(item.next_sequence, item.counts);
      return true;
    });
    if (cursor.sequence() < batch.next_sequence()) cursor.passed(batch.next_sequence(), {});
  }
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool) override { return {}; }
  Status close() override { return {}; }
  [[nodiscard]] bool can_be_durable() const override { return false; }

 private:
  static back::SinkConfig config() {
    back::SinkConfig made;
    made.level = Level::trace;
    return made;
  }

  Drained& out_;
  sink::Selection selection_;
  TextPattern pattern_ = TextPattern::compile(kDefaultPattern, {}).value();
  JsonLines json_;
  TextBuffer text_;
};

inline Drained drain_file(const char* path) {
  Drained out;
  region::Region region;
  out.adopted = region.adopt(path);
  if (out.adopted != 0) return out;
  Silent silent;
  {
    back::EngineOptions options;
    options.threads = false;
    options.dead_region = true;
    back::Engine engine(region, options, silent);
    engine.resume();
    engine.add_sink(region.sink(0), std::make_unique<RenderingSink>(out), "rendering", true, false);
    out.merged = engine.flush(false, os::monotonic_ns()).merged;
    out.damaged = engine.counts().damaged;
  }
  region.close(false);
  return out;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_REGION_DRAIN_H_
