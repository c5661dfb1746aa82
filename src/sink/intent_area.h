// What a file sink is about to write, kept where a kill does not reach it.
//
//   SinkEntry::intent          next_sequence: the word that arms it (0: nothing is on its way)
//   SinkEntry::intent_offset ─► chunk: | IntentHead, 256 bytes | rendered lines ... |
//
// Life of a group of records:
//   arm()      the text is in place, counters after it are in the head; place 0: nothing attempted
//   move()     to where the next bytes go (before they are written), or past the bytes that are
//              there (afterwards); as often as the file changes below us
//   disarm()   the cursor has passed the group
//
// A kill between any two stores leaves either the old or the new place, because a place is written
// to the slot not in use, and then one word marks it. That word and `next_sequence` are marks
// (region/marks.h, P10): a recovery that finds one finds what precedes it, and nothing of the next
// text or place, which are written over the last ones.
//
// A rendering longer than the chunk is not kept: its place says where it was to stand. The file has
// all of it, or recovery cuts what there is and the record, which the journal still holds, is
// rendered again.
//
// Without a chunk (no room in the region) all this is in private memory: right through every error,
// but a kill in the middle of a write is then at-least-once.
//
// Threading: single-owner. A chunk of a dead process is untrusted: every number read from it is
// checked against the chunk.
#ifndef SLUICE_SRC_SINK_INTENT_AREA_H_
#define SLUICE_SRC_SINK_INTENT_AREA_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "back/sink.h"
#include "os/io.h"
#include "region/marks.h"

namespace sluice::sink {

inline constexpr u64 kIntentBytes = 256 * 1024;  // a chunk

// An attempt to write bytes [from, from + bytes) of the text at `start` of a file.
struct IntentPlace {
  u64 attempt = 0;  // 0: none, `from` is all that holds
  os::FileId file{};
  u64 start = 0;
  u64 bytes = 0;
  u64 from = 0;
};

struct IntentHead {
  u64 attempts;  // the last number given out
  u64 text_bytes;
  u32 text_crc;  // CRC32C; only of a text that is not kept
  std::atomic<u32> place;
  u64 delivered;  // the sink's counters once the group is written
  u64 filtered;
  u64 dropped_error;
  IntentPlace places[2];
};
inline constexpr u64 kIntentHeadBytes = 256;
// What lies in a region: a change raises region::kVersion.
static_assert(sizeof(IntentHead) == 160 && sizeof(IntentHead) <= kIntentHeadBytes);
static_assert(offsetof(IntentHead, places) == 48 && sizeof(IntentPlace) == 56);
static_assert(offsetof(IntentPlace, start) == 32);

class IntentArea {
 public:
  static constexpr u64 kTextBytesMin = 16 * 1024;
  static constexpr u64 kPrivateBytes = 256 * 1024;

  IntentArea(const region::Region& region, region::SinkEntry& entry);
  IntentArea(const IntentArea&) = delete;
  IntentArea& operator=(const IntentArea&) = delete;

  // Where to render. Only while not armed.
  [[nodiscard]] std::span<char> space() { return {text_, capacity_}; }

  [[nodiscard]] bool armed() const { return next_sequence() != 0; }
  [[nodiscard]] u64 next_sequence() const { return region::Marks::look(intent_->next_sequence); }
  // `text` stands in space(), or is longer than it.
  void arm(std::string_view text, u64 first_sequence, u64 next_sequence,
           const back::SinkCounts& counts);
  void disarm() { region::Marks::set(intent_->next_sequence, u64{0}); }

  [[nodiscard]] u64 new_attempt() { return ++head_->attempts; }
  void move(const IntentPlace& place);

  // Of an armed intent:
  [[nodiscard]] IntentPlace place() const;
  [[nodiscard]] bool keeps_text() const { return head_->text_bytes <= capacity_; }
  [[nodiscard]] u64 text_bytes() const { return head_->text_bytes; }
  [[nodiscard]] u32 text_crc() const { return head_->text_crc; }
  // Empty when it is not kept.
  [[nodiscard]] std::string_view text() const {
    return keeps_text() ? std::string_view(text_, head_->text_bytes) : std::string_view();
  }
  // What the sink's counters lack; nothing of it once they have it.
  [[nodiscard]] back::SinkCounts missing_counts() const;

 private:
  const region::SinkEntry& entry_;
  std::unique_ptr<char[]> private_memory_;
  region::Intent private_intent_{};
  region::Intent* intent_;
  IntentHead* head_;
  char* text_;
  u64 capacity_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_INTENT_AREA_H_
