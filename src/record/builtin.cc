#include "record/builtin.h"

#include <fmt/format.h>

#include <array>

#include "record/time_text.h"

namespace sluice {
namespace {

Site define(u32 id, Level level, std::string_view format, std::vector<Argument> arguments) {
  Site site;
  site.id = id;
  site.level = level;
  site.logger = "sluice";
  site.format = format;
  site.arguments = std::move(arguments);
  return site;
}

using Sites = std::array<Site, kSiteFirstCaller>;

Sites* make_sites() {
  using enum ArgType;
  auto* sites = new Sites;
  for (u32 id = 0; id < kSiteFirstCaller; ++id) {
    (*sites)[id] = define(id, Level::warning, "unknown call site", {});
  }
  (*sites)[kSiteDropReport] = define(kSiteDropReport, Level::warning, "drop report",
                                     {{kU32, "site"},
                                      {kU32, "reason"},
                                      {kU64, "dropped_total"},
                                      {kU64, "dropped"},
                                      {kU64, "first_ticks"},
                                      {kU64, "last_ticks"}});
  (*sites)[kSiteContext] = define(kSiteContext, Level::trace, "context", {{kBytes, "fields"}});
  (*sites)[kSiteThread] =
      define(kSiteThread, Level::trace, "thread",
             {{kU32, "slot"}, {kU32, "generation"}, {kU32, "tid"}, {kString, "name"}});
  (*sites)[kSiteClock] =
      define(kSiteClock, Level::trace, "clock",
             {{kU64, "ticks"}, {kTimestamp, "wall"}, {kU64, "ns_per_tick_q32"}, {kU32, "epoch"}});
  (*sites)[kSiteDefinition] =
      define(kSiteDefinition, Level::trace, "site definition", {{kBytes, "definition"}});
  (*sites)[kSiteRun] = define(kSiteRun, Level::info, "run",
                              {{kBytes, "region"},
                               {kString, "product"},
                               {kString, "version"},
                               {kString, "run"},
                               {kString, "host"},
                               {kU32, "pid"},
                               {kTimestamp, "start"}});
  (*sites)[kSiteSinkGap] = define(kSiteSinkGap, Level::warning, "sink gap",
                                  {{kString, "sink"}, {kU64, "missed_total"}, {kU64, "missed"}});
  (*sites)[kSiteVerdict] = define(kSiteVerdict, Level::notice, "verdict",
                                  {{kI32, "exit_code"}, {kI32, "signal"}, {kString, "reason"}});
  return sites;
}

const Sites& sites() {
  // Never destroyed: sinks may still render while static objects go.
  static const Sites* const all = make_sites();
  return *all;
}

std::string_view records(u64 count) { return count == 1 ? "record" : "records"; }

std::string_view reason_name(u64 reason) {
  return reason < kDropReasons ? drop_reason_name(DropReason(reason)) : "unknown";
}

std::string drop_report(const Entry& entry) {
  const RecordView& record = entry.record;
  const u32 id = u32(record.word(0));
  const Site* site = entry.sites ? entry.sites->find(id) : nullptr;
  std::string source = site ? source_of(*site) : std::string();
  if (source.empty()) source = fmt::format("site {}", id);
  std::string text = fmt::format("dropped {} {} of {} ({})", record.word(3),
                                 records(record.word(3)), source, reason_name(record.word(1)));
  if (entry.clock != nullptr) {
    text += fmt::format(" between {} and {}", time_string(entry.clock->wall_of(record.word(4))),
                        time_string(entry.clock->wall_of(record.word(5))));
  }
  return text + fmt::format(", {} in all", record.word(2));
}

std::string run(const RecordView& record) {
  std::string text = fmt::format("run {}", record.text(3));
  if (!record.text(1).empty()) text += fmt::format(" of {}", record.text(1));
  if (!record.text(2).empty()) text += fmt::format(" {}", record.text(2));
  if (!record.text(4).empty()) text += fmt::format(" on {}", record.text(4));
  return text +
         fmt::format(", pid {}, started {}", record.word(5), time_string(i64(record.word(6))));
}

std::string verdict(const RecordView& record) {
  const i64 signal = i64(record.word(1));
  std::string text = signal != 0 ? fmt::format("run ended by signal {}", signal)
                                 : fmt::format("run ended with exit code {}", i64(record.word(0)));
  if (!record.text(2).empty()) text += fmt::format(": {}", record.text(2));
  return text;
}

std::string message(const Entry& entry) {
  const RecordView& record = entry.record;
  switch (entry.site.id) {
    case kSiteDropReport:
      return drop_report(entry);
    case kSiteContext:
      return fmt::format("context of {} bytes", record.text(0).size());
    case kSiteThread:
      return fmt::format("thread {} \"{}\" has slot {}", record.word(2), record.text(3),
                         record.word(0));
    case kSiteClock:
      return fmt::format("clock epoch {} begins at {}", record.word(3),
                         time_string(i64(record.word(1))));
    case kSiteDefinition:
      return fmt::format("call site defined, {} bytes", record.text(0).size());
    case kSiteRun:
      return run(record);
    case kSiteSinkGap:
      return fmt::format("sink {} missed {} {}, {} in all", record.text(0), record.word(2),
                         records(record.word(2)), record.word(1));
    case kSiteVerdict:
      return verdict(record);
    default:
      return "a call whose site found no room in the dictionary; its arguments are not kept";
  }
}

}  // namespace

const Site& builtin_site(u32 id) { return sites()[id < kSiteFirstCaller ? id : u32{kSiteUnknown}]; }

bool is_builtin(const Site& site) {
  return site.id < kSiteFirstCaller && &site == &builtin_site(site.id);
}

char* put_builtin_message(TextForm form, const Entry& entry, TextBuffer& out, char* at) {
  return put_escaped(form, out, at, message(entry));
}

bool is_shown_by_name(const Site& site, u32 argument) {
  return argument == 1 && site.id == kSiteDropReport && is_builtin(site);
}

Value shown_value(const RecordView& record, u32 argument) {
  if (!is_shown_by_name(record.site(), argument)) return record.value(argument);
  const std::string_view name = reason_name(record.word(argument));
  return {ArgType::kString, name.size(), name};
}

std::string source_of(const Site& site) {
  if (site.file.empty()) return {};
  const auto slash = site.file.find_last_of("/\\");
  const std::string_view file =
      std::string_view(site.file).substr(slash == std::string::npos ? 0 : slash + 1);
  return fmt::format("{}:{}", file, site.line);
}

}  // namespace sluice
