// Records that are held for a backtrace, and how they come out again.
#include <algorithm>
#include <cstring>

#include "back/merger.h"
#include "region/marks.h"

namespace sluice::back {

// The logger of the record in front, when it has a backtrace. Its number is the caller's word.
Merger::BacktraceRule Merger::backtrace_of(const Source& source, const SiteTraits& about) const {
  const region::SiteEntry& site = region_.sites()[source.site];
  // relaxed, all: levels are hints; the site's logger is published with its definition (P6)
  if (site.ruled.load(std::memory_order_relaxed) != 0) return {};
  u64 index = site.logger.load(std::memory_order_relaxed);
  if (about.has_first_logger) {
    if (source.bytes < kRecordHeaderBytes + sizeof index) return {};
    index = RealSync::read_word(source.ring.at(source.ring.position()) + kRecordHeaderBytes);
  }
  if (index >= region_.header().loggers_max) return {};
  const region::LoggerEntry& logger = region_.loggers()[index];
  const u16 group = logger.held_group.load(std::memory_order_relaxed);
  if (group > region_.header().loggers_max) return {};
  return {group, logger.level.load(std::memory_order_relaxed)};
}

void Merger::hold(const Source& source, u16 group, const RecordHeader& header, const char* bytes) {
  RecordHeader out = header;
  out.origin = 0;
  const std::size_t size = rebuild(source, out, bytes);
  // relaxed: the slot's state came first (P8)
  backtrace_.hold(group, ByteView(scratch_).first(size), u16(source.index),
                  source.slot->generation.load(std::memory_order_relaxed));
}

bool Merger::append_held(u16 group) {
  while (const std::optional<Backtrace::Held> held = backtrace_.oldest(group)) {
    if (write_at_ + held->record.size() > write_end_) return false;
    auto header = load<RecordHeader>(held->record.data());
    // Of a thread that has ended meanwhile this batch cannot say the name.
    const bool is_named = std::any_of(live_.begin(), live_.end(), [&held](const Source* source) {
      return source->index == held->slot &&
             source->slot->generation.load(std::memory_order_relaxed) == held->generation;
    });
    header.origin =
        u16((header.origin & kHasContext) | kBacktrace | (is_named ? held->slot : kEngineSlot));
    header.size_in_words = u16(held->record.size() / 8);  // as checked, as in append()
    if (header.ticks < last_key_) header.origin |= kLate;
    journal_.put_words(write_at_, &header, sizeof header);
    journal_.put_words(write_at_ + sizeof header, held->record.data() + sizeof header,
                       held->record.size() - sizeof header);
    write_at_ += held->record.size();
    ++records_;
    ++batch_callers_;
    backtrace_.delivered(*held);
  }
  return true;
}

// What is held of a process that has died without stop() comes behind its last record.
bool Merger::has_last_words() const {
  if (!backtrace_.oldest(0)) return false;
  const region::RegionHeader& header = region_.header();
  return crashed_ || (dead_ && region::Marks::look(header.finished) == 0 &&
                      region::Marks::look(header.goodbye) == 0);
}

}  // namespace sluice::back
