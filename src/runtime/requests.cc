// What other processes ask this one for through its region (`sluice level`).
//
// A request is hostile input: it is copied once, and the copy is checked. One is taken at a time,
// by whichever of our threads looks first; where there is none a look is two loads.
#include <new>

#include "front/front.h"
#include "region/marks.h"
#include "ring/journal.h"
#include "runtime/runtime.h"

namespace sluice::runtime {
namespace {

using region::Answer;
using region::Request;
using region::RequestArea;
using region::RequestKind;
using region::RequestOutcome;

// Word by word: another process may be writing there against the rules.
Request copy_of(const Request& untrusted) {
  alignas(Request) char bytes[sizeof(Request)];
  const char* const from = reinterpret_cast<const char*>(&untrusted);
  for (std::size_t at = 0; at < sizeof bytes; at += 8) {
    // relaxed: published by the mark that was seen (P34)
    store(bytes + at, JournalSync::load_word(from + at, std::memory_order_relaxed));
  }
  return load<Request>(bytes);
}

bool is_level(u8 number) { return level_name(Level{number}) != "unknown"; }

Answer refused(std::string_view why) {
  Answer answer{};
  answer.outcome = RequestOutcome::kRefused;
  answer.bytes = u8(why.copy(answer.text, sizeof answer.text));
  return answer;
}

Answer applied(u32 sites) {
  Answer answer{};
  answer.outcome = RequestOutcome::kApplied;
  answer.sites = sites;
  return answer;
}

// What the program was started with; all zero: nothing.
template <class Setting>
Setting started_with(const std::vector<std::pair<std::string, Setting>>& settings,
                     std::string_view name) {
  Setting found{};
  for (const auto& [of, is] : settings) {
    if (of == name) found = is;
  }
  return found;
}

// A rule for a place; `change` returns how many sites it names.
template <class Change>
Answer change_place(std::string_view name, const Change& change) {
  if (name.empty()) return refused("no file is named");
  try {
    if (const std::optional<u32> sites = change()) return applied(*sites);
  } catch (const std::bad_alloc&) {
    return refused("it has no memory for another rule of a place");
  }
  return refused("it has rules for as many places as it takes; change one of them");
}

}  // namespace

void Runtime::take_request() {
  if (!front::g_front.region.exists()) return;
  RequestArea& area = front::g_front.region.requests();
  // relaxed: what we have stored ourselves, or another of our threads under the lock
  const auto is_answered = [&area](u8 asked) {
    return asked == area.answered.load(std::memory_order_relaxed);
  };
  if (is_answered(region::Marks::look(area.asked))) return;  // acquire: P34
  const Locked lock(mutex_);
  const u8 asked = region::Marks::look(area.asked);  // acquire: P34
  if (!running_ || is_answered(asked)) return;
  area.answer = apply(copy_of(area.request));
  region::Marks::set(area.answered, asked);  // release: P34, the answer
}

Answer Runtime::apply(const Request& untrusted) {
  if (untrusted.bytes > sizeof untrusted.name) return refused("the request makes no sense");
  if (untrusted.level != 0 && !is_level(untrusted.level)) return refused("there is no such level");
  const std::string_view name(untrusted.name, untrusted.bytes);
  u8 level = untrusted.level;
  switch (untrusted.kind) {
    case RequestKind::kLogger:
      if (level == 0) level = u8(started_with(config_.logger_levels, name));
      if (level == 0 && name.empty()) level = u8(config_.level);
      if (front::set_level(name, Level{level})) return applied(0);
      return refused("it has no room for the name of another logger");
    case RequestKind::kSites:
      if (level == 0) level = u8(started_with(config_.site_levels, name));
      return change_place(name, [&] {
        if (untrusted.level == 0) {
          (void)front::set_site_limit(name, started_with(config_.site_limits, name));
        }
        return front::set_site_level(name, level);
      });
    case RequestKind::kSiteRate:
    case RequestKind::kSiteSample: {
      const auto kind = untrusted.kind == RequestKind::kSiteRate ? front::PlaceLimit::Kind::kRate
                                                                 : front::PlaceLimit::Kind::kSample;
      const front::PlaceLimit limit = {
          untrusted.records == 0 ? front::PlaceLimit::Kind::kNone : kind, untrusted.records};
      return change_place(name, [&] { return front::set_site_limit(name, limit); });
    }
    case RequestKind::kBacktrace:
      if (untrusted.records > region::kBacktraceRecordsMax) {
        return refused("a backtrace has at most 4096 records");
      }
      if (front::set_backtrace(name, untrusted.records, level == 0 ? Level::trace : Level{level})) {
        return applied(0);
      }
      return refused("it has no room for the name of another logger");
  }
  return refused("it does not know this kind of request; use the sluice command of its version");
}

void Runtime::open_for_requests() {
  const bool thread = link_.joinable() || (!left_to_collector_ && config_.mode != Mode::immediate);
  // relaxed: a hint
  front::g_front.region.requests().reader.store(
      thread ? region::RequestReader::kThread : region::RequestReader::kNobody,
      std::memory_order_relaxed);
}

}  // namespace sluice::runtime
