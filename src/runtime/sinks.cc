// The sinks of a start, and their places in the region.
//
// relaxed: words of a place are read where nobody but start(), which holds the locks, writes them.
#include "base/fixed_text.h"
#include "front/front.h"
#include "os/io.h"
#include "region/marks.h"
#include "runtime/runtime.h"
#include "sink/intent_area.h"
#include "sink/make.h"
#include "sink/sink_table.h"

namespace sluice::runtime {
namespace {

// Why a sink's place in the region may not be given to another: an earlier stop() left records that
// only this one still has to get. Empty: it may.
std::string what_is_owed(back::Engine& engine, const region::SinkEntry& entry) {
  if (entry.state.load(std::memory_order_relaxed) != region::SinkState::kOpen || !entry.required ||
      entry.kind == u32(SinkKind::callback) ||
      entry.cursor.load(std::memory_order_relaxed) >= engine.counts().next_sequence) {
    return {};
  }
  return "an earlier stop() left records for " + std::string(field_text(entry.path)) +
         "; start with that sink in its old place, so that it gets them first";
}

}  // namespace

std::string Runtime::make_sinks(back::Engine& engine) {
  if (collectors_store_ && !has_own_sinks()) return make_collectors_sink(engine);
  std::vector<std::string> problems;
  for (u32 i = 0; i < config_.sinks.size(); ++i) {
    std::string problem = make_sink_entry(engine, config_.sinks[i], i);
    if (!problem.empty()) problems.push_back(name_of_sink(config_, i) + ": " + problem);
  }
  region::Region& region = front::g_front.region;
  for (u32 i = u32(config_.sinks.size()); i < region::kSinksMax; ++i) {
    if (is_readers_place(i)) continue;  // nobody waits for it
    const std::string owed = what_is_owed(engine, region.sink(i));
    if (!owed.empty()) problems.push_back(owed);
  }
  if (!problems.empty()) return join(problems);
  for (u32 i = u32(config_.sinks.size()); i < region::kSinksMax; ++i) {
    if (collectors_store_ && is_readers_place(i)) continue;
    region::Marks::set(region.sink(i).state, region::SinkState::kUnused);
  }
  return {};
}

// The place that the collector has had: it goes on there, and the collector goes on behind it.
std::string Runtime::make_collectors_sink(back::Engine& engine) {
  region::Region& region = front::g_front.region;
  u32 place = 0;
  for (u32 i = region::kSinksMax; i-- > 0;) {
    const region::SinkEntry& entry = region.sink(i);
    const bool open = region::Marks::look(entry.state) == region::SinkState::kOpen;
    if (open && sink::is_collectors(entry)) return make_sink_entry(engine, *collectors_store_, i);
    if (!open) place = i;
  }
  return make_sink_entry(engine, *collectors_store_, place);
}

std::string Runtime::make_sink_entry(back::Engine& engine, const back::SinkConfig& config,
                                     u32 index) {
  region::Region& region = front::g_front.region;
  region::SinkEntry& entry = region.sink(index);
  auto made = sink::make_sink(config, os::real_io(), region);
  if (!made.ok()) return made.status().message();
  // After a stop() that could not deliver everything the same destination gets the rest.
  const bool goes_on = !(engine_ && engine_->left_behind()) && sink::can_be_rebuilt(config.kind) &&
                       entry.kind == u32(config.kind) && field_text(entry.path) == config.path &&
                       entry.state.load(std::memory_order_relaxed) == region::SinkState::kOpen;
  if (!goes_on) {
    std::string owed = what_is_owed(engine, entry);
    if (!owed.empty()) return owed;
    // Closed while it changes: a kill must not leave a place with half of another sink's options.
    region::Marks::set(entry.state, region::SinkState::kUnused);
    for (std::atomic<u64>* count :
         {&entry.delivered, &entry.filtered, &entry.dropped_backlog, &entry.dropped_error}) {
      count->store(0, std::memory_order_relaxed);
    }
  }
  sink::write_entry(config, entry);
  if (back::is_line_file(config.kind) && entry.intent_offset == 0) {
    entry.intent_offset = region.allocate(sink::kIntentBytes);
    entry.intent_bytes = entry.intent_offset ? sink::kIntentBytes : 0;
  }
  std::string name = config.path;
  if (config.kind == SinkKind::console) name = "console";
  if (config.kind == SinkKind::callback) name = "callback";
  engine.add_sink(entry, std::move(made.value()), std::move(name), config.required, !goes_on);
  region::Marks::set(entry.state, region::SinkState::kOpen);  // filled before it opens (P15)
  return {};
}

}  // namespace sluice::runtime
