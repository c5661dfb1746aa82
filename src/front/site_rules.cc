// Levels and limits of call sites by their place.
//
// The rules are process memory, not the region's: a forked child and the next region have them too.
// A list that only grows at its head, so that a call that registers, perhaps in a signal handler,
// reads it without a lock; a rule that is set again or reset changes in place.
#include <charconv>

#include "base/fixed_text.h"
#include "base/made.h"
#include "front/front.h"
#include "region/registration.h"
#include "sluice/detail/call.h"

namespace sluice::front {
namespace {

using detail::RecordKind;
using region::Region;

constexpr std::string_view kAllFiles = "*";

struct Place {
  std::string_view file;
  u32 line = 0;
  RecordKind kind = RecordKind::kLog;
};

Place parse_place(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {text};
  Place place{text.substr(0, colon), 0};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, place.line);
  return error == std::errc() && stop == end && place.line != 0 ? place : Place{text};
}

// Of a site that is published; our own region, which is trusted.
Place place_of(const Region& region, u32 id) {
  const ByteView text = region.site_text(id);
  if (text.empty()) return {};
  const char* const at = reinterpret_cast<const char*>(text.data());
  const u32 arguments = load<u8>(at + 12), logger = load<u16>(at + 14), file = load<u16>(at + 16);
  return {{at + detail::kSiteDefinitionFixedBytes + 2 * arguments + logger, file},
          load<u32>(at + 4),
          RecordKind(load<u8>(at + 8))};
}

bool names(const SiteRule& rule, const Place& place) {
  if (rule.file == kAllFiles) return !place.file.empty();
  if (rule.file.empty() || (rule.line != 0 && rule.line != place.line) ||
      !place.file.ends_with(rule.file)) {
    return false;
  }
  const std::size_t before = place.file.size() - rule.file.size();
  return before == 0 || rule.file[0] == '/' || place.file[before - 1] == '/';
}

SiteRule* find_rule(const Place& place) {
  u32 count = 0;
  // relaxed: the one caller that changes the list
  SiteRule* const first = g_front.site_rules.load(std::memory_order_relaxed);
  for (SiteRule* rule = first; rule; rule = rule->next) {
    if (rule->file == place.file && rule->line == place.line) return rule;
    ++count;
  }
  if (count >= kSiteRulesMax) return nullptr;
  auto* made = new SiteRule{std::string(place.file), place.line, first};
  Made::publish(g_front.site_rules, made);
  return made;
}

// What the closest rule says of a place; 0: none says anything.
template <class Set>
Set closest(const SiteRule* rule, std::atomic<Set> SiteRule::*what, const Place& place) {
  const SiteRule* best = nullptr;
  Set found = 0;
  for (; rule; rule = rule->next) {
    // relaxed: as thresholds; a change refreshes what was computed before it (P12)
    const Set set = (rule->*what).load(std::memory_order_relaxed);
    if (set == 0 || !names(*rule, place)) continue;
    const bool closer =
        best == nullptr || (rule->line != 0) > (best->line != 0) ||
        ((rule->line != 0) == (best->line != 0) && rule->file.size() > best->file.size());
    if (!closer) continue;
    best = rule;
    found = set;
  }
  return found;
}

// How many sites it names now; none: there are too many rules.
template <class Change>
std::optional<u32> change_rule(std::string_view text, const Change& change) {
  const Place place = parse_place(text);
  if (place.file.empty()) return 0;
  SiteRule* const rule = find_rule(place);
  if (rule == nullptr) return {};
  change(*rule);
  const Region& region = g_front.region;
  if (!region.exists()) return 0;
  refresh_controls();
  u32 count = 0;
  // relaxed: a bound for the scan; a definition is published by its own word (P6)
  const u32 used = region.wake().sites_used.load(std::memory_order_relaxed);
  for (u32 id = kSiteFirstCaller; id < used && id < region.header().sites_max; ++id) {
    count += names(*rule, place_of(region, id)) ? 1 : 0;
  }
  return count;
}

}  // namespace

u8 site_rule(const Region& region, u32 id) {
  const SiteRule* rule = Made::look(g_front.site_rules);
  if (rule == nullptr) return 0;
  return closest(rule, &SiteRule::level, place_of(region, id));
}

u64 site_limit(const Region& region, u32 id) {
  const SiteRule* const rule = Made::look(g_front.site_rules);
  if (rule == nullptr) return 0;
  const Place place = place_of(region, id);
  const bool may = place.kind == RecordKind::kLog || place.kind == RecordKind::kEvent;
  return may ? closest(rule, &SiteRule::limit, place) : 0;
}

std::optional<u32> set_site_level(std::string_view text, u8 level) {
  return change_rule(
      text, [level](SiteRule& rule) { rule.level.store(level, std::memory_order_relaxed); });
}

std::optional<u32> set_site_limit(std::string_view text, PlaceLimit limit) {
  if (limit.kind != PlaceLimit::Kind::kNone && !make_tallies()) return {};
  return change_rule(
      text, [limit](SiteRule& rule) { rule.limit.store(limit.word(), std::memory_order_relaxed); });
}

void tell_kept_out(const CallSite& site) {
  const u32 id = site.id.load(std::memory_order_relaxed);
  PlaceTally* const tally = tally_of(id);
  if (tally == nullptr) return;
  const u64 kept_out = tally->take_kept_out(limit_second());
  if (kept_out == 0) return;
  // Without a place, so that no limit names it.
  static constexpr detail::SiteText kText{
      .level = Level::notice,
      .logger = "sluice",
      .format = "a limit kept {suppressed} calls at {place} out",
      .unit = {}};
  static constinit CallSite notice{Level::notice, RecordKind::kLog};
  const Place place = place_of(g_front.region, id);
  char text[256];
  FixedText(text, sizeof text).text(place.file).text(":").number(place.line);
  (void)detail::call(notice, kText, 0, kv("suppressed", kept_out),
                     kv("place", std::string_view(text)));
}

}  // namespace sluice::front
