#include "sink/intent_area.h"

#include <algorithm>
#include <new>

#include "base/crc32c.h"
#include "os/process.h"

namespace sluice::sink {

IntentArea::IntentArea(const region::Region& region, region::SinkEntry& entry)
    : entry_(entry), intent_(&entry.intent) {
  char* chunk = nullptr;
  u64 bytes = entry.intent_bytes;
  if (entry.intent_offset != 0 && bytes >= kIntentHeadBytes + kTextBytesMin) {
    chunk = region.chunk(entry.intent_offset, bytes);
  }
  if (chunk == nullptr) {
    bytes = kIntentHeadBytes + kPrivateBytes;
    private_memory_ = std::make_unique<char[]>(bytes);
    chunk = private_memory_.get();
    intent_ = &private_intent_;
    new (chunk) IntentHead{};
  }
  head_ = reinterpret_cast<IntentHead*>(chunk);
  text_ = chunk + kIntentHeadBytes;
  capacity_ = bytes - kIntentHeadBytes;
  // Attempts are told apart for as long as somebody may remember one.
  if (head_->attempts == 0) os::random_bytes(&head_->attempts, sizeof(u32));
}

void IntentArea::arm(std::string_view text, u64 first_sequence, u64 next_sequence,
                     const back::SinkCounts& counts) {
  head_->text_bytes = text.size();
  head_->text_crc = keeps_text() ? 0 : crc32c(text.data(), text.size());
  head_->delivered = entry_.delivered.load(std::memory_order_relaxed) + counts.delivered;
  head_->filtered = entry_.filtered.load(std::memory_order_relaxed) + counts.filtered;
  head_->dropped_error =
      entry_.dropped_error.load(std::memory_order_relaxed) + counts.dropped_error;
  head_->places[0] = {};
  head_->place.store(0, std::memory_order_relaxed);
  intent_->first_sequence = first_sequence;
  intent_->length = text.size();
  region::Marks::set(intent_->next_sequence, next_sequence);
}

void IntentArea::move(const IntentPlace& place) {
  // relaxed: only this sink writes it
  const u32 other = 1 - (head_->place.load(std::memory_order_relaxed) & 1);
  head_->places[other] = place;
  region::Marks::set(head_->place, other);
  // For people who look into the region: recovery goes by the place.
  intent_->device = place.file.device;
  intent_->inode = place.file.inode;
  intent_->start = place.start;
}

IntentPlace IntentArea::place() const {
  IntentPlace place = head_->places[region::Marks::look(head_->place) & 1];
  place.from = std::min(place.from, head_->text_bytes);
  place.bytes = std::min(place.bytes, head_->text_bytes - place.from);
  return place;
}

back::SinkCounts IntentArea::missing_counts() const {
  const auto missing = [](u64 after, const std::atomic<u64>& now) {
    const u64 have = now.load(std::memory_order_relaxed);
    return after > have ? after - have : 0;
  };
  return {.delivered = missing(head_->delivered, entry_.delivered),
          .filtered = missing(head_->filtered, entry_.filtered),
          .dropped_error = missing(head_->dropped_error, entry_.dropped_error)};
}

}  // namespace sluice::sink
