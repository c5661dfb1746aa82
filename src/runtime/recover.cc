#include "runtime/recover.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "back/engine.h"
#include "base/fixed_text.h"
#include "os/process.h"
#include "region/marks.h"
#include "sink/intent_area.h"
#include "sink/make.h"
#include "sink/sink_table.h"

namespace sluice::runtime {
namespace {

using region::Marks;  // of sinks' places and of what is finished (P15)

constexpr std::string_view kSuffix = ".region";

void list_regions(const std::string& directory, std::vector<std::string>& out) {
  os::real_io().list(directory.c_str(), [&](const char* name) {
    if (is_region_name(name)) out.push_back(directory + "/" + name);
  });
}

void remove_drafts_in(const std::string& directory) {
  std::vector<std::string> drafts;
  os::real_io().list(directory.c_str(), [&](const char* name) {
    if (std::string_view(name).starts_with(region::kDraftPrefix)) {
      drafts.push_back(directory + "/" + name);
    }
  });
  for (const std::string& draft : drafts) region::remove_dead_draft(draft.c_str());
}

Status adoption_error(const std::string& path, int error) {
  switch (error) {
    case -EAGAIN:
      return {ErrorClass::kRetryable, path + ": its process (or another recovery) is alive",
              -error};
    case -ESTALE:
    case -ENOENT:
      return {ErrorClass::kRetryable, path + ": already recovered"};
    case -EPERM:
      return fatal(path + ": belongs to another user; run the recovery as that user");
    case -EBADMSG:
      return fatal(path + ": not a region; delete it if you know what it is");
    case -EPROTONOSUPPORT:
      return fatal(path +
                   ": a region of another version; recover it with the sluice of its program, or "
                   "delete it and what it holds");
    default:
      return fatal(path + ": " + os::error_text(error));
  }
}

u64 sum_drops(const region::Region& region) {
  u64 total = 0;
  for (u32 site = 0; site < region.header().sites_max; ++site) {
    for (u32 reason = 0; reason < kDropReasons; ++reason) {
      // relaxed: counters of a dead process
      total += region.drop_cell(site, DropReason(reason)).load(std::memory_order_relaxed);
    }
  }
  return total;
}

u64 sum_filtered(const region::Region& region) {
  u64 total = region.wake().filtered.load(std::memory_order_relaxed);
  for (u32 i = 0; i < region.header().slots_max; ++i) {
    const region::RingLines* lines = region.lines_of(region.slots()[i]);
    if (lines) total += lines->filtered.load(std::memory_order_relaxed);
  }
  return total;
}

// The sinks of the dead process, in the entries they had.
void add_sinks(back::Engine& engine, region::Region& region, const RecoverOptions& options,
               RegionSummary& summary) {
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    region::SinkEntry& entry = region.sink(i);
    if (Marks::look(entry.state) != region::SinkState::kOpen) continue;
    Result<back::SinkConfig> config = sink::read_entry(entry);
    if (!config.ok()) {
      summary.problem = config.status().message();
      continue;
    }
    if (config.value().kind == SinkKind::callback) continue;
    if (back::is_line_file(config.value().kind)) {
      // What stays is for the program that runs now to say.
      config.value().keep_files = 0;
      config.value().keep_seconds = config.value().keep_bytes = 0;
    }
    if (config.value().kind == SinkKind::console && !options.console) continue;
    auto made = sink::make_sink(config.value(), os::real_io(), region);
    if (!made.ok()) {
      summary.problem = made.status().message();
      continue;
    }
    engine.add_sink(entry, std::move(made.value()), config.value().path, config.value().required,
                    false);
  }
}

// A recovery that was killed has left its extra destinations in the table.
bool has_sink(const region::Region& region, const back::SinkConfig& config) {
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    if (Marks::look(entry.state) != region::SinkState::kOpen) continue;
    const Result<back::SinkConfig> there = sink::read_entry(entry);
    if (there.ok() && there.value().kind == config.kind && there.value().path == config.path) {
      return true;
    }
  }
  return false;
}

region::SinkEntry* free_entry(region::Region& region) {
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    region::SinkEntry& entry = region.sink(i);
    // relaxed: the only process that changes a dead region holds its locks
    if (entry.state.load(std::memory_order_relaxed) == region::SinkState::kUnused) return &entry;
  }
  return nullptr;
}

// Extra destinations take a free entry each, so that a recovery of this recovery finds them.
void add_extra_sinks(back::Engine& engine, region::Region& region, const RecoverOptions& options,
                     RegionSummary& summary) {
  for (const back::SinkConfig& config : options.extra_sinks) {
    if (has_sink(region, config)) continue;
    region::SinkEntry* const entry = free_entry(region);
    if (entry == nullptr) {
      summary.problem = "no place for " + config.path + ": all " +
                        std::to_string(region::kSinksMax) +
                        " destinations that a region can have are its own; what they could take "
                        "is in them; recover it without another, and copy one of those";
      return;
    }
    auto made = sink::make_sink(config, os::real_io(), region);
    if (!made.ok()) {
      summary.problem = made.status().message();
      continue;
    }
    sink::write_entry(config, *entry);
    if (back::is_line_file(config.kind)) {
      entry->intent_offset = region.allocate(sink::kIntentBytes);
      entry->intent_bytes = entry->intent_offset ? sink::kIntentBytes : 0;
    }
    // acquire: with make_space(): a committed not behind it (P11)
    const u64 oldest = region.journal_lines().reclaimed.load(JournalOrders::read_reclaimed);
    entry->cursor_position.store(oldest, std::memory_order_relaxed);
    const u64 first = region.journal_lines().reclaimed_sequence.load(std::memory_order_relaxed);
    entry->cursor.store(std::max<u64>(first, 1), std::memory_order_relaxed);
    Marks::set(entry->state, region::SinkState::kOpen);
    engine.add_sink(*entry, std::move(made.value()), config.path, config.required, false);
  }
}

// The destinations that have not got everything, for a sentence; empty: all have.
std::string behind(const region::Region& region, u64 next_sequence) {
  std::string paths;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    // A callback went with its process.
    if (entry.state.load(std::memory_order_relaxed) == region::SinkState::kOpen && entry.required &&
        sink::can_be_rebuilt(SinkKind(entry.kind)) &&
        entry.cursor.load(std::memory_order_relaxed) < next_sequence) {
      paths += (paths.empty() ? "" : ", ") + std::string(field_text(entry.path));
    }
  }
  return paths;
}

// Its own destinations get what they can take; nobody waits for the rest of them.
void give_up_destinations(region::Region& region) {
  for (u32 i = 0; i < region::kSinksMax; ++i) region.sink(i).required = 0;
}

// What a collector has no room for in its store must not be kept from the program's own files: it
// sees what it missed. True: there is such a place.
bool hold_for_collector(region::Region& region, bool holds) {
  bool any = false;
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    region::SinkEntry& entry = region.sink(i);
    if (Marks::look(entry.state) != region::SinkState::kOpen || !sink::is_collectors(entry)) {
      continue;
    }
    entry.required = holds ? 1 : 0;
    any = true;
  }
  return any;
}

bool owes_to(const region::Region& region, const std::vector<std::string>& paths) {
  for (u32 i = 0; i < region::kSinksMax; ++i) {
    const region::SinkEntry& entry = region.sink(i);
    if (Marks::look(entry.state) != region::SinkState::kOpen) continue;
    if (std::find(paths.begin(), paths.end(), field_text(entry.path)) != paths.end()) return true;
  }
  return false;
}

void drain(region::Region& region, const RecoverOptions& options, RegionSummary& summary,
           Reporter& reporter) {
  back::EngineOptions engine_options;
  engine_options.threads = false;
  engine_options.dead_region = true;
  engine_options.slow_clock = !os::has_invariant_tsc();
  back::Engine engine(region, engine_options, reporter);
  engine.resume();
  const u64 before = engine.counts().merged;
  if (options.give_up) give_up_destinations(region);
  add_sinks(engine, region, options, summary);
  if (options.give_up) summary.problem.clear();
  add_extra_sinks(engine, region, options, summary);
  back::FlushOutcome outcome = engine.flush(true, os::monotonic_ns());
  if (!outcome.merged && hold_for_collector(region, false)) {
    outcome = engine.flush(true, os::monotonic_ns());
    (void)hold_for_collector(region, true);
  }
  engine.stop(os::monotonic_ns());
  const back::EngineCounts counts = engine.counts();
  summary.merged = counts.merged;
  summary.recovered = counts.merged - before;
  summary.damaged = counts.damaged;
  const std::string owed = behind(region, counts.next_sequence);
  if (!summary.problem.empty()) return;
  if (engine.runners().empty() && counts.merged + counts.queued > 0) {
    summary.problem = "its process had named no destination; give one with --text FILE";
  } else if (!outcome.merged || counts.queued != 0 || !owed.empty()) {
    summary.problem = "not everything is in " + owed +
                      "; mend that and recover again, or put it elsewhere by --text FILE --give-up";
  }
}

}  // namespace

std::vector<std::string> region_places(const std::string& directory) {
  if (!directory.empty()) return {directory};
  std::vector<std::string> all;
  for (u32 attempt = 0; attempt < region::kRegionDirectories; ++attempt) {
    char place[512];
    if (region::region_directory(place, sizeof place, attempt, false)) all.emplace_back(place);
  }
  return all;
}

bool is_region_name(const std::string& path) { return path.ends_with(kSuffix); }

std::vector<std::string> find_regions(const std::string& directory) {
  std::vector<std::string> found;
  for (const std::string& place : region_places(directory)) list_regions(place, found);
  std::sort(found.begin(), found.end());
  return found;
}

void remove_drafts(const std::string& directory) {
  for (const std::string& place : region_places(directory)) remove_drafts_in(place);
}

Result<RegionSummary> recover_region(const std::string& path, const RecoverOptions& options,
                                     Reporter& reporter) {
  region::Region region;
  if (const int failed = region.adopt(path.c_str()); failed) return adoption_error(path, failed);
  const region::RegionHeader& header = region.header();
  RegionSummary summary;
  summary.path = path;
  summary.product = field_text(header.product);
  summary.run_id = field_text(header.run_id);
  summary.pid = header.pid;
  summary.start_wall_ns = header.start_wall_ns;
  if (!options.product.empty() && summary.product != options.product) {
    region.close(false);
    return Status{ErrorClass::kRetryable, path + ": of another product"};
  }
  if (options.owing != Owing::kAnything &&
      owes_to(region, options.paths) != (options.owing == Owing::kToPaths)) {
    region.close(false);
    return Status{ErrorClass::kRetryable, path + ": of other destinations"};
  }
  summary.filtered = sum_filtered(region);
  summary.dropped = sum_drops(region);
  // Else everything was delivered and its process went without removing the file (_exit, exec).
  if (Marks::look(header.finished) == 0) {
    drain(region, options, summary, reporter);
  }
  summary.complete = summary.problem.empty();
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) == 0) summary.bytes = info.size;
  region.close(summary.complete);
  return summary;
}

bool is_named_after(const std::string& path, const std::string& product) {
  if (product.empty()) return true;
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  if (name.size() <= product.size() || name[product.size()] != '-') return false;
  return std::equal(product.begin(), product.end(), name.begin(),
                    [](char wanted, char there) { return there == wanted || there == '_'; });
}

std::vector<RegionSummary> recover_all(const RecoverOptions& options, Reporter& reporter) {
  std::vector<RegionSummary> all;
  std::string refused;
  u64 refusals = 0;
  remove_drafts(options.directory);
  for (const std::string& path : find_regions(options.directory)) {
    Result<RegionSummary> one = recover_region(path, options, reporter);
    if (one.ok()) {
      all.push_back(std::move(one.value()));
    } else if (one.status().error_class() == ErrorClass::kFatal &&
               is_named_after(path, options.product)) {
      refused = one.status().message();
      ++refusals;
    }
  }
  // Not twice by a start, which comes here with either half; and one line, however many there are.
  if (refusals > 0 && options.owing != Owing::kToPaths) {
    reporter.report("sluice: " + refused +
                    (refusals > 1 ? " (and " + std::to_string(refusals - 1) + " more)" : ""));
  }
  return all;
}

}  // namespace sluice::runtime
