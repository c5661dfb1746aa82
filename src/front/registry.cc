// Registration of call sites and loggers, and the control bytes that levels decide.
//
// Lock-free, no allocation: any thread and any signal handler may be here at once. Two threads may
// register one site twice; both definitions are right. A change of levels that runs beside a
// registration is seen by one of the two (P12, region/registration.h).
#include <algorithm>

#include "base/fixed_text.h"
#include "front/front.h"
#include "region/registration.h"
#include "sluice/detail/format_check.h"

namespace sluice::front {
namespace {

using detail::kSiteArgumentsMax;
using detail::kSiteDefinitionFixedBytes;
using region::LoggerEntry;
using region::Region;
using Registration = region::Registration<RealSync>;
using region::SiteEntry;

std::string_view cut(std::string_view text) { return text.substr(0, detail::kSiteTextBytesMax); }

struct Names {
  std::string_view of[kSiteArgumentsMax];
  u32 bytes = 0;
};

void collect_names(const SiteShape& shape, u32 count, Names& names) {
  const u32 hidden = detail::hidden_arguments(shape.text->flags);
  u32 position = 0;
  for (u32 i = 0; i < count; ++i) {
    if (shape.names && !shape.names[i].empty()) {
      names.of[i] = shape.names[i].substr(0, 255);
    } else if (i >= hidden && shape.text->kind == detail::RecordKind::kLog) {
      names.of[i] = name_from_format(shape, hidden, position++);
    }
    names.bytes += u32(names.of[i].size());
  }
}

// Writes the SiteDefinition (sluice/detail/site_format.h) of `id`; false: the dictionary is full.
bool write_definition(Region& region, u32 id, const SiteShape& shape) {
  const detail::SiteText& text = *shape.text;
  const u32 count = shape.count < kSiteArgumentsMax ? shape.count : kSiteArgumentsMax;
  Names names;
  collect_names(shape, count, names);
  const std::string_view texts[] = {cut(text.logger), cut(text.file), cut(text.function),
                                    cut(text.format), cut(text.unit)};
  u64 bytes = kSiteDefinitionFixedBytes + 2 * count + names.bytes;
  for (const std::string_view part : texts) bytes += part.size();
  // relaxed: only makes the range ours
  const u32 offset =
      region.wake().dictionary_used.fetch_add(u32(round_up(bytes, 8)), std::memory_order_relaxed);
  if (offset + round_up(bytes, 8) > region.dictionary_bytes()) return false;

  char* to = region.dictionary() + offset;
  const auto put = [&to](auto value) {
    store(to, value);
    to += sizeof value;
  };
  const auto put_text = [&to](std::string_view part) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  };
  put(id);
  put(u32{text.line});
  put(u8(text.kind));
  put(u8(text.level));
  put(u8{text.flags});
  put(u8(text.metric));
  put(u8(count));
  put(u8{0});
  for (const std::string_view part : texts) put(u16(part.size()));
  for (u32 i = 0; i < count; ++i) put(u8(shape.types[i]));
  for (u32 i = 0; i < count; ++i) put(u8(names.of[i].size()));
  for (const std::string_view part : texts) put_text(part);
  for (u32 i = 0; i < count; ++i) put_text(names.of[i]);
  // The definition before its place, for Region::site_text() (P6).
  Registration::publish_text(region.sites()[id].text, u64{offset} << 32 | bytes);
  return true;
}

u8 control_for(const Region& region, u32 id) {
  const SiteEntry& entry = region.sites()[id];
  // relaxed: quiesce() closes what a call opens while the phase changes, see Registering
  if (g_front.phase.word.load(std::memory_order_relaxed) == Phase::kStopped) return detail::kCold;
  const u8 on =
      g_front.options.immediate.load(std::memory_order_relaxed) ? detail::kOnThenRun : detail::kOn;
  u8 threshold = site_rule(region, id);
  region.sites()[id].ruled.store(threshold != 0, std::memory_order_relaxed);
  if (threshold == 0) {
    if (entry.dynamic_logger.load(std::memory_order_relaxed)) return on;
    const u32 logger = entry.logger.load(std::memory_order_relaxed);
    threshold = region.loggers()[logger].threshold.load(std::memory_order_relaxed);
  }
  return entry.level.load(std::memory_order_relaxed) >= threshold ? on : u8{detail::kOff};
}

// The limit before the byte that sends calls to it; a call in between goes by the one before.
u8 settle_site(const Region& region, u32 id) {
  const u8 control = control_for(region, id);
  PlaceTally* const tally = tally_of(id);
  if (tally == nullptr) return control;
  const u64 limit = site_limit(region, id);
  tally->limit.store(limit, std::memory_order_relaxed);
  const bool passes = control == detail::kOn || control == detail::kOnThenRun;
  return limit != 0 && passes ? u8{detail::kLimited} : control;
}

std::string_view cut_name(std::string_view name) {
  return name.substr(0, sizeof(LoggerEntry::name));
}

std::string_view logger_name(const LoggerEntry& entry) {
  return {entry.name, Registration::read_name(entry.bytes)};
}

// True when a rule for `above` holds for `name`.
bool covers(std::string_view above, std::string_view name) {
  return above.empty() || above == name ||
         (name.size() > above.size() && name.starts_with(above) && name[above.size()] == '.');
}

// What the rules make of the logger `name`: its level, its backtrace, and what its calls must pass.
void settle_logger(const Region& region, LoggerEntry& logger, std::string_view name) {
  // relaxed: a bound for the scan; a name is published by its length (P16)
  const u32 used = region.wake().loggers_used.load(std::memory_order_relaxed);
  u8 level = region.loggers()[0].rule.load(std::memory_order_relaxed), held_from = 0;
  u32 group = 0;
  std::size_t longest = 0, longest_held = 0;
  for (u32 i = 0; i < used && i < region.header().loggers_max; ++i) {
    const LoggerEntry& entry = region.loggers()[i];
    const std::string_view above = logger_name(entry);
    if ((i != 0 && above.empty()) || !covers(above, name)) continue;
    const u8 rule = entry.rule.load(std::memory_order_relaxed);
    if (rule != 0 && above.size() >= longest) {
      longest = above.size();
      level = rule;
    }
    if (entry.held_most.load(std::memory_order_relaxed) != 0 && above.size() >= longest_held) {
      longest_held = above.size();
      held_from = entry.held_from.load(std::memory_order_relaxed);
      group = i + 1;
    }
  }
  // relaxed: hints to callers, and for the merge no more than the level is
  logger.level.store(level, std::memory_order_relaxed);
  logger.held_group.store(u16(group), std::memory_order_relaxed);
  const bool holds = group != 0 && held_from < level;
  logger.threshold.store(holds ? held_from : level, std::memory_order_relaxed);
}

void refresh(Region& region, u32 id) {
  if (Registration::read_text(region.sites()[id].text) == 0) return;
  Registration::set_control(region.controls()[id], settle_site(region, id));
}

}  // namespace

std::string_view name_from_format(const SiteShape& shape, u32 hidden, u32 wanted) {
  std::string_view seen[kSiteArgumentsMax];
  u32 named = 0, position = 0;
  std::string_view found;
  detail::for_each_placeholder(shape.text->format, [&](std::string_view name) {
    if (detail::is_index(name)) return;
    if (!name.empty()) {
      for (u32 i = 0; i < named; ++i) {
        if (seen[i] == name) return;
      }
      for (u32 i = hidden; shape.names && i < shape.count; ++i) {
        if (shape.names[i] == name) return;  // a kv() feeds it
      }
      if (named < kSiteArgumentsMax) seen[named++] = name;
    }
    if (position++ == wanted) found = name;
  });
  return found.substr(0, 255);
}

u32 find_logger(std::string_view name) {
  Region& region = g_front.region;
  const u32 limit = region.header().loggers_max;
  name = cut_name(name);
  if (name.empty()) return 0;
  // relaxed: a bound for the scan; a name is published by its length (P16)
  const u32 used = region.wake().loggers_used.load(std::memory_order_relaxed);
  for (u32 i = 1; i < used && i < limit; ++i) {
    if (logger_name(region.loggers()[i]) == name) return i;
  }
  // relaxed: only makes the entry ours
  const u32 index = region.wake().loggers_used.fetch_add(1, std::memory_order_relaxed);
  if (index >= limit) {
    region.wake().loggers_used.store(limit, std::memory_order_relaxed);
    return 0;
  }
  LoggerEntry& entry = region.loggers()[index];
  std::memcpy(entry.name, name.data(), name.size());
  settle_logger(region, entry, name);
  Registration::publish_name(entry.bytes, u16(name.size()));
  Registration::settle(region.wake().level_epoch, [&] { settle_logger(region, entry, name); });
  return index;
}

void publish_site(CallSite& site, const SiteShape& shape) {
  Front& front = g_front;
  Region& region = front.region;
  const u32 before = site.id.load(std::memory_order_relaxed);
  u32 id = before;
  // One that found no room tries again: this may be another region.
  if (id == 0 || id == kSiteUnknown) {
    id = front.next_site_id.fetch_add(1, std::memory_order_relaxed);
  }
  const u32 limit = region.header().sites_max;
  if (id < limit && Registration::read_text(region.sites()[id].text) == 0) {
    SiteEntry& entry = region.sites()[id];
    const u8 dynamic = (shape.text->flags & detail::kLoggerIsFirstArg) ? 1 : 0;
    entry.logger.store(u16(find_logger(shape.text->logger)), std::memory_order_relaxed);
    entry.level.store(u8(shape.text->level), std::memory_order_relaxed);
    entry.dynamic_logger.store(dynamic, std::memory_order_relaxed);
    if (!write_definition(region, id, shape)) id = kSiteUnknown;
  } else if (id >= limit) {
    id = kSiteUnknown;
  }
  if (id == kSiteUnknown) region.wake().site_overflow.fetch_add(1, std::memory_order_relaxed);
  id = site.publish_id(before, id);
  // relaxed RMW: a bound for scans; the definitions are published by their own words (P6)
  u32 used = region.wake().sites_used.load(std::memory_order_relaxed);
  while (used <= id &&
         !region.wake().sites_used.compare_exchange_weak(used, id + 1, std::memory_order_relaxed)) {
  }
  if (id != kSiteUnknown) {
    Registration::settle(region.wake().level_epoch, [&] { refresh(region, id); });
  }
  site.publish_control(&region.controls()[id]);
}

void refresh_controls() {
  Region& region = g_front.region;
  Registration::settle_change(region.wake().level_epoch, [&] {
    // relaxed: a bound for the scan; a name is published by its length (P16)
    const u32 loggers = region.wake().loggers_used.load(std::memory_order_relaxed);
    for (u32 i = 0; i < loggers && i < region.header().loggers_max; ++i) {
      LoggerEntry& entry = region.loggers()[i];
      const std::string_view name = logger_name(entry);
      if (i == 0 || !name.empty()) settle_logger(region, entry, name);
    }
    const u32 used = region.wake().sites_used.load(std::memory_order_relaxed);
    for (u32 id = kSiteFirstCaller; id < used && id < region.header().sites_max; ++id) {
      refresh(region, id);
    }
    if (g_front.phase.look() == Phase::kStopped) return;
    const u8 on = g_front.options.immediate.load(std::memory_order_relaxed) ? detail::kOnThenRun
                                                                            : detail::kOn;
    Registration::set_control(region.controls()[kSiteUnknown], on);
  });
}

void close_controls() {
  Region& region = g_front.region;
  for (u32 id = 0; id < region.header().sites_max; ++id) {
    // relaxed: quiesce() orders it (P9)
    region.controls()[id].store(detail::kClosed, std::memory_order_relaxed);
  }
}

void open_controls() {
  Region& region = g_front.region;
  for (u32 id = 0; id < region.header().sites_max; ++id) {
    u8 closed = detail::kClosed;
    region.controls()[id].compare_exchange_strong(closed, detail::kCold, std::memory_order_relaxed);
  }
  refresh_controls();
}

bool set_level(std::string_view logger, Level level) {
  Region& region = g_front.region;
  const u32 index = find_logger(logger);
  if (index == 0 && !logger.empty()) return false;  // the root's rule is not its rule
  LoggerEntry& entry = region.loggers()[index];
  entry.rule.store(u8(level), std::memory_order_relaxed);
  refresh_controls();
  return true;
}

bool set_backtrace(std::string_view logger, u32 records, Level from) {
  Region& region = g_front.region;
  const u32 index = find_logger(logger);
  if (index == 0 && !logger.empty()) return false;
  LoggerEntry& entry = region.loggers()[index];
  // relaxed: as levels are
  entry.held_from.store(u8(from), std::memory_order_relaxed);
  entry.held_most.store(u16(std::min(records, region::kBacktraceRecordsMax)),
                        std::memory_order_relaxed);
  if (records != 0) region.wake().backtraces.store(1, std::memory_order_relaxed);
  refresh_controls();
  return true;
}

}  // namespace sluice::front

namespace sluice {
inline namespace v1 {

bool Logger::find_and_test(Level level) noexcept {
  using namespace front;
  // Without a region, or after stop(), the call itself finds out and counts.
  if (g_front.phase.look() == Phase::kStopped || !ensure_region()) {
    return true;
  }
  region::LoggerEntry* const loggers = g_front.region.loggers();
  // A number from a parent's region may name another logger here. One that a thread has just found
  // stays: a call may hold it already.
  const u32 before = words_.known_id();
  const bool holds = before < g_front.region.header().loggers_max &&
                     logger_name(loggers[before]) == cut_name(name_);
  const u32 index = holds ? before : words_.publish_id(before, find_logger(name_));
  std::atomic<u8>& threshold = loggers[index].threshold;
  words_.publish_control(&threshold);
  if (u8(level) >= threshold.load(std::memory_order_relaxed)) return true;
  count();
  return false;
}

void Logger::count() noexcept { detail::count_filtered(); }

}  // namespace v1
}  // namespace sluice
