#include "back/backtrace.h"

#include <algorithm>
#include <cstring>

namespace sluice::back {

using region::BacktraceState;
using region::HeldRecord;
using region::kBacktraceBytes;

char* Backtrace::at(u64 position) const {
  return area().bytes + (position & (kBacktraceBytes - 1));
}

u64 Backtrace::to_end(u64 position) { return kBacktraceBytes - (position & (kBacktraceBytes - 1)); }

// None: what is there is no record. Padding has group 0.
std::optional<HeldRecord> Backtrace::header_at(u64 position) const {
  const u64 room = std::min(to_end(position), end_ - position);
  if (to_end(position) < sizeof(HeldRecord)) return HeldRecord{0, u32(room), 0, 0, 0, 0};
  if (room < sizeof(HeldRecord)) return {};
  const auto header = load<HeldRecord>(at(position));
  const bool sound = header.bytes % 8 == 0 && header.bytes >= sizeof header && header.bytes <= room;
  if (!sound) return {};
  if (header.group == 0) return header;
  const u32 bytes = header.bytes - u32(sizeof header);
  if (header.slot >= region_.header().slots_max || bytes < kRecordHeaderBytes) return {};
  const auto record = load<RecordHeader>(at(position) + sizeof header);
  const bool whole = record.size() == bytes && record.site >= kSiteFirstCaller &&
                     record.site < region_.header().sites_max;
  return whole ? std::optional(header) : std::nullopt;
}

u32 Backtrace::adopt(u64 committed) {
  forget_all();
  const BacktraceState* best = nullptr;
  for (BacktraceState& state : area().state) {
    // Of a batch that was never committed: its end may lie within a batch that will be.
    if (state.batch_end > committed) {
      state.batch_end = 0;
      changed(&state, sizeof state);
    }
    if (state.batch_end != 0 && (!best || state.batch_end > best->batch_end)) best = &state;
  }
  floor_ = area().floor;
  if (best == nullptr) {
    end_ = floor_ = round_up(floor_, 8);
    held_ = delivered_ = 0;
    return 0;
  }
  end_ = best->end;
  held_ = best->held;
  delivered_ = std::min(best->delivered, held_);
  // Written over by a batch that was never committed.
  if (floor_ > end_) end_ = floor_;
  bool sound = end_ % 8 == 0 && floor_ % 8 == 0 && end_ - floor_ <= kBacktraceBytes;
  for (u64 position = floor_; sound && position != end_;) {
    const std::optional<HeldRecord> header = header_at(position);
    sound = header.has_value();
    if (!sound) break;
    if (header->group != 0) {
      if (header->done != 0 && header->done <= committed) {
        // Those before it went with it, or had to make room for it.
        while (groups_.contains(header->group)) forget_oldest(header->group);
      } else {
        if (header->done != 0) {  // by a batch that was never committed
          sluice::store(at(position), u64{0});
          changed(at(position), sizeof header->done);
        }
        add(*header, position, most_of(header->group));
      }
    }
    position += header->bytes;
  }
  if (sound) return 0;
  forget_all();
  end_ = round_up(end_, 8);
  move_floor(end_);
  return 1;
}

// What the program allows it; 0: its backtrace was taken back, and what is held with it.
u32 Backtrace::most_of(u16 group) const {
  if (group > region_.header().loggers_max) return 0;
  // relaxed: levels are hints
  return region_.loggers()[group - 1].held_most.load(std::memory_order_relaxed);
}

void Backtrace::add(const HeldRecord& header, u64 position, u32 most) {
  if (most == 0) return;
  std::deque<Place>& group = groups_[header.group];
  group.push_back({position, header.bytes - u32(sizeof header), header.slot, header.generation});
  if (of_slot_.size() <= header.slot) of_slot_.resize(header.slot + 1);
  ++of_slot_[header.slot];
  while (group.size() > most) forget_oldest(header.group);
}

void Backtrace::forget_oldest(u16 group) {
  const auto found = groups_.find(group);
  --of_slot_[found->second.front().slot];
  found->second.pop_front();
  if (found->second.empty()) groups_.erase(found);
}

void Backtrace::forget_all() {
  groups_.clear();
  of_slot_.clear();
}

// The oldest records go, and are said to have gone before anything is written over them.
void Backtrace::make_room(u64 bytes) {
  u64 floor = floor_;
  while (end_ + bytes - floor > kBacktraceBytes) {
    const std::optional<HeldRecord> header = header_at(floor);
    if (!header) {
      // Somebody else has written here.
      forget_all();
      floor = end_;
      break;
    }
    const auto group = groups_.find(header->group);
    if (group != groups_.end() && group->second.front().position == floor)
      forget_oldest(header->group);
    floor += header->bytes;
  }
  if (floor != floor_) move_floor(floor);
}

void Backtrace::move_floor(u64 position) {
  floor_ = area().floor = position;
  JournalSync::keep_order();
  changed(&area().floor, sizeof position);
}

void Backtrace::hold(u16 group, ByteView record, u16 slot, u32 generation) {
  ++held_;
  moved_ = true;
  if (record.size() > region::kHeldRecordBytesMax) return;
  const u64 bytes = sizeof(HeldRecord) + record.size();
  const u64 rest = to_end(end_);
  if (rest < bytes) {
    make_room(rest);
    if (rest >= sizeof(HeldRecord)) {
      sluice::store(at(end_), HeldRecord{0, u32(rest), 0, 0, 0, 0});
      changed(at(end_), sizeof(HeldRecord));
    }
    end_ += rest;
  }
  make_room(bytes);
  const HeldRecord header{0, u32(bytes), group, slot, generation, 0};
  sluice::store(at(end_), header);
  std::memcpy(at(end_) + sizeof header, record.data(), record.size());
  changed(at(end_), bytes);
  const u64 position = end_;
  end_ += bytes;
  add(header, position, most_of(group));
}

std::optional<Backtrace::Held> Backtrace::oldest(u16 group) const {
  const Place* first = nullptr;
  u16 of = 0;
  for (const auto& [number, places] : groups_) {
    if ((group != 0 && number != group) || most_of(number) == 0) continue;
    if (first != nullptr && places.front().position > first->position) continue;
    first = &places.front();
    of = number;
  }
  if (first == nullptr) return {};
  const char* const record = at(first->position) + sizeof(HeldRecord);
  return Held{{reinterpret_cast<const std::byte*>(record), first->bytes},
              of,
              first->slot,
              first->generation};
}

void Backtrace::delivered(const Held& held) {
  done_.push_back(groups_.at(held.group).front().position);
  forget_oldest(held.group);
  ++delivered_;
  moved_ = true;
}

void Backtrace::store(u64 batch_end) {
  if (!moved_) return;
  for (const u64 position : done_) {
    // One that had to go meanwhile is not there to be marked.
    if (position < floor_) continue;
    sluice::store(at(position), batch_end);
    changed(at(position), sizeof batch_end);
  }
  done_.clear();
  BacktraceState* const states = area().state;
  BacktraceState& target = states[0].batch_end <= states[1].batch_end ? states[0] : states[1];
  target.batch_end = 0;
  JournalSync::keep_order();
  target.end = end_;
  target.held = held_;
  target.delivered = delivered_;
  JournalSync::keep_order();
  target.batch_end = batch_end;
  changed(&target, sizeof target);
  moved_ = false;
}

void Backtrace::changed(const void* from, std::size_t bytes) {
  if (of_copy_) changes_.emplace_back(static_cast<const char*>(from), bytes);
}

}  // namespace sluice::back
