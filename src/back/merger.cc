#include "back/merger.h"

#include <algorithm>
#include <cstring>

#include "base/fixed_text.h"
#include "record/field_block.h"
#include "region/slot_handover.h"

namespace sluice::back {
namespace {

using region::ContextCopy;
using region::RingLines;
using region::SlotState;
using region::ThreadSlot;
using Handover = region::SlotHandover<RealSync>;

// A context that redaction makes longer than this is given up; the copies in the region bound it.
constexpr u32 kContextRedactedMax = region::kContextBytesMax;

std::string_view thread_name_of(const ThreadSlot& slot) { return field_text(slot.name); }

}  // namespace

Merger::Merger(region::Region& region, const MergeOptions& options)
    : region_(region),
      options_(options),
      catalog_(region),
      redactor_(field_text(region.header().secrets)),
      sampler_(region, options.bytes.read ? options.bytes : RegionBytes::of(region)),
      backtrace_(region, options.bytes.read != nullptr),
      sources_(region.header().slots_max),
      traits_(region.header().sites_max) {
  live_.reserve(sources_.size());
}

void Merger::resume(bool dead, bool slow_clock) {
  dead_ = dead;
  if (dead) {
    clock_.adopt(region_.clock(), slow_clock);
  } else {
    clock_.start(region_.clock(), slow_clock);
  }
  const auto place = region_.journal();
  // acquire: with commit(): the batches before it (P3)
  const u64 committed = round_up(place.committed->load(JournalOrders::read_committed), 8);
  // acquire: with make_space(): a committed not behind it (P11)
  u64 reclaimed = place.reclaimed->load(JournalOrders::read_reclaimed);
  // Nothing to believe: it goes on with an empty journal. Readers find the end for themselves.
  if (committed - reclaimed > place.capacity || reclaimed % 8 != 0) reclaimed = committed;
  journal_ = {place, committed, reclaimed};
  last_report_ticks_ = last_sample_ticks_ = clock_.clock().ticks;
  adopt_reported_drops();
  sampler_.adopt(committed);
  damaged_ += backtrace_.adopt(committed);
  adopt_positions();
  for (const u64 told : reported_) reported_drops_ += told;
}

// Walks the batches that are still there. Ring positions in a batch count even when the tail was
// not stored any more: the batch is committed.
void Merger::adopt_positions() {
  const auto place = region_.journal();
  // acquire: with make_space(): a committed not behind it (P11)
  JournalReader<JournalSync> reader(place, place.reclaimed->load(JournalOrders::read_reclaimed));
  std::vector<char> bytes(kBatchBytesMax);
  std::vector<u64> positions(sources_.size());
  // acquire: with commit(): the batches before it (P3)
  const u64 committed = place.committed->load(JournalOrders::read_committed);
  while (reader.read(bytes.data()) == JournalRead::kBatch) {
    const BatchView batch(bytes.data());
    for (u32 i = 0; i < batch.header().threads; ++i) {
      const BatchThread thread = batch.thread(i);
      if (thread.slot < positions.size()) {
        positions[thread.slot] = std::max(positions[thread.slot], thread.position);
      }
    }
    (void)batch.for_each(0, [this](const BatchRecord& record) {
      adopt_drop_report(record);
      return true;
    });
    next_sequence_ = batch.next_sequence();
    callers_ = batch.header().callers_before + batch.header().callers;
    reader.advance(batch.header().bytes);
  }
  if (reader.position() != committed) {
    // A batch was written over. What comes now must have sequences that no sink has passed.
    ++damaged_;
    for (u32 i = 0; i < region::kSinksMax; ++i) {
      // relaxed: of a dead process, or came with the head (P1)
      next_sequence_ =
          std::max(next_sequence_, region_.sink(i).cursor.load(std::memory_order_relaxed));
    }
  }
  for (u32 i = 0; i < sources_.size(); ++i) {
    ThreadSlot& slot = region_.slots()[i];
    RingLines* lines = region_.lines_of(slot);
    if (!lines) continue;
    Source& source = sources_[i];
    const auto place_of_ring = region_.ring_of(slot);
    // acquire: with leave(): the records before it (P1)
    const u64 head = lines->head.load(detail::RingOrders::read_head);
    // acquire: with consume(): what was read before it (P2)
    u64 position = std::max(lines->tail.load(detail::RingOrders::read_tail), positions[i]);
    if (head - position > place_of_ring.capacity || position % 8 != 0) {
      ++damaged_;
      position = head & ~u64{7};
    }
    source.slot = &slot;
    source.lines = lines;
    source.ring = {place_of_ring, position};
    source.index = i;
    const ContextCopy* best = nullptr;
    for (ContextCopy& copy : lines->context) {
      // Of a batch that was never committed: its end may lie within a batch that will be.
      if (copy.batch_end > committed) copy.batch_end = 0;
      const bool holds = copy.batch_end != 0 && copy.batch_end <= committed &&
                         copy.bytes <= region::kContextBytesMax &&
                         copy.generation == slot.generation.load(std::memory_order_relaxed);
      if (holds && (!best || copy.batch_end > best->batch_end)) best = &copy;
    }
    if (best) {
      const auto* fields = reinterpret_cast<const std::byte*>(best->fields);
      source.context.assign(fields, fields + best->bytes);
    }
  }
}

void Merger::take_in_sources() {
  live_.clear();
  pressure_ = 0;
  // relaxed: a hint
  holds_ = region_.wake().backtraces.load(std::memory_order_relaxed) != 0 || !backtrace_.empty();
  const u32 used = region_.wake().slots_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used && i < sources_.size(); ++i) {
    ThreadSlot& slot = region_.slots()[i];
    // Before head is loaded: in kLeft that is then the last one (P8).
    const SlotState state = Handover::look(slot.state);
    if (state != SlotState::kActive && state != SlotState::kLeft) continue;
    Source& source = sources_[i];
    if (!source.lines) {
      RingLines* lines = region_.lines_of(slot);
      if (!lines) continue;
      source.slot = &slot;
      source.lines = lines;
      source.index = i;
      source.ring = {region_.ring_of(slot), lines->tail.load(std::memory_order_relaxed)};
    }
    source.end = source.ring.published();
    source.context_moved = false;
    // `moved` stays from a merge that found no room in the journal.
    if (source.end == source.ring.position() && !source.moved) {
      if (state == SlotState::kLeft) recycle(source);
      continue;
    }
    const u64 filled = source.end - source.ring.position();
    pressure_ = std::max(pressure_, u32(filled * 256 / source.ring.capacity()));
    live_.push_back(&source);
    if (live_.size() == kBatchThreadsMax) break;
  }
  // A batch names the threads of its records: those that say nothing now may have some held.
  for (u32 i = 0; holds_ && i < used && i < sources_.size(); ++i) {
    Source& source = sources_[i];
    if (live_.size() == kBatchThreadsMax) break;
    if (!source.lines || !backtrace_.holds_of(i) ||
        std::find(live_.begin(), live_.end(), &source) != live_.end()) {
      continue;
    }
    source.end = source.ring.position();
    source.context_moved = false;
    live_.push_back(&source);
  }
  // Read behind the heads: nothing that is published is honestly later than this.
  now_ = clock_.now();
  for (Source* source : live_) look_at_front(*source);
}

void Merger::look_at_front(Source& source) {
  source.bytes = 0;
  for (;;) {
    const u64 position = source.ring.position();
    const u64 left = source.end - position;
    if (left == 0) return;
    const char* at = source.ring.at(position);
    const u64 word = RealSync::read_word(at);
    const u64 bytes = size_of_word(word);
    const u64 to_end = source.ring.capacity() - (position & (source.ring.capacity() - 1));
    if (left > source.ring.capacity() || bytes > left || bytes > to_end || bytes < 8) {
      return damage(source);
    }
    source.site = site_of_word(word);
    if (source.site == kSitePadding) {
      source.ring.advance(bytes);
      source.moved = true;
      continue;
    }
    if (bytes < kRecordHeaderBytes || bytes > kRecordBytesMax ||
        source.site >= region_.header().sites_max) {
      return damage(source);
    }
    source.bytes = u32(bytes);
    source.key = std::max(RealSync::read_word(at + 8), source.last_key);
    source.key = std::min(source.key, now_);
    return;
  }
}

// Nothing after a record that makes no sense can be found: the rest of the ring is given up.
void Merger::damage(Source& source) {
  ++damaged_;
  source.ring.advance(source.end - source.ring.position());
  source.moved = true;
  source.bytes = 0;
}

u64 Merger::find_horizon(bool all) const {
  constexpr u64 kAll = ~u64{0};
  if (all || dead_) return kAll;
  u32 active = 0;
  const u32 used = region_.wake().slots_used.load(std::memory_order_relaxed);
  for (u32 i = 0; i < used && i < sources_.size(); ++i) {
    if (region_.slots()[i].state.load(std::memory_order_relaxed) == SlotState::kActive) ++active;
  }
  if (active <= 1 && live_.size() <= 1) return kAll;
  for (const Source* source : live_) {
    if ((source->end - source->ring.position()) * 2 > source->ring.capacity()) return kAll;
  }
  const u64 window = clock_.ticks_of_ns(options_.window_ns);
  const u64 seen = std::min(now_, looked_at_);
  return seen > window ? seen - window : 0;  // ticks begin with the machine
}

Merger::Source* Merger::earliest(u64& second_key) {
  Source* first = nullptr;
  second_key = ~u64{0};
  for (Source* source : live_) {
    if (source->bytes == 0) continue;
    if (!first || source->key < first->key) {
      if (first) second_key = std::min(second_key, first->key);
      first = source;
    } else {
      second_key = std::min(second_key, source->key);
    }
  }
  return first;
}

Merged Merger::merge(bool all, u64 floor) {
  clock_.update();
  take_in_sources();
  const bool moved_only =
      std::any_of(live_.begin(), live_.end(), [](const Source* s) { return s->moved; });
  const bool report = report_is_due(), samples = samples_are_due();
  const u64 horizon = find_horizon(all);
  u64 second_key;
  Source* source = earliest(second_key);
  const bool last_words = !source && has_last_words();
  if ((!source || source->key > horizon) && !report && !samples && !moved_only && !last_words)
    return Merged::kNothing;

  const u64 header_bytes = sizeof(BatchHeader) + live_.size() * sizeof(BatchThread);
  u64 room = kBatchRecordsBytes;
  if (source) room = std::max<u64>(room, source->bytes + kRebuildGrowth);
  if (!journal_.make_space(header_bytes + room, floor)) return Merged::kJournalFull;
  write_at_ = journal_.position() + header_bytes;
  write_end_ = write_at_ + room;
  records_ = batch_callers_ = 0;
  bool full = false;
  while (!full && source && source->key <= horizon) {
    do {
      if (!append(*source)) {
        full = true;
        break;
      }
      look_at_front(*source);
    } while (source->bytes && source->key <= second_key && source->key <= horizon);
    if (!full) source = earliest(second_key);
  }
  if (last_words) full = !append_held(0);
  more_ = full;
  if (report) append_drop_reports();
  if (samples) append_samples();
  commit_batch(header_bytes);
  return Merged::kBatch;
}

bool Merger::append(Source& source) {
  const char* at = source.ring.at(source.ring.position());
  const u32 bytes = source.bytes;
  if (source.site < kSiteFirstCaller && source.site != kSiteUnknown) {
    if (source.site == kSiteContext) take_context(source, at, bytes);
    if (source.site == kSiteStateGap) source.gap = true;
  } else {
    auto header = load<RecordHeader>(at);
    header.size_in_words =
        u16(bytes / 8);  // as checked: in a dead region it may have changed since
    const SiteTraits& about = traits(source.site);
    if (holds_ && about.may_be_held) {
      const BacktraceRule rule = backtrace_of(source, about);
      if (rule.group != 0 && about.level < rule.level) {
        hold(source, rule.group, header, at);
        source.last_key = source.key;
        source.ring.advance(bytes);
        source.moved = true;
        return true;
      }
      const bool is_error = about.level >= u8(Level::error);
      if (rule.group != 0 && is_error && !append_held(rule.group)) return false;
    }
    u16 origin = u16(source.index);
    if (header.ticks < last_key_) origin |= kLate;
    if (about.state && source.gap) origin |= kAfterGap;
    const bool rebuild = about.redact || !source.context.empty();
    const bool done =
        rebuild ? append_rebuilt(source, header, at, origin) : append_plain(header, at, origin);
    if (!done) return false;
    if (origin & kLate) ++late_;
    if (origin & kAfterGap) source.gap = false;
    last_key_ = std::max(last_key_, source.key);
    ++records_;
    ++batch_callers_;
  }
  source.last_key = source.key;
  source.ring.advance(bytes);
  source.moved = true;
  return true;
}

bool Merger::append_plain(const RecordHeader& header, const char* bytes, u16 origin) {
  if (write_at_ + header.size() > write_end_) return false;
  // Words, not a RecordHeader: to load a word at once that was just stored in parts takes 5 ns.
  const u64 head[] = {u64{header.size_in_words} | u64{origin} << 16 | u64{header.site} << 32,
                      header.ticks};
  static_assert(sizeof head == sizeof(RecordHeader));
  journal_.put_words(write_at_, head, sizeof head);
  journal_.put_words(write_at_ + sizeof head, bytes + sizeof head, header.size() - sizeof head);
  write_at_ += header.size();
  return true;
}

std::size_t Merger::rebuild(const Source& source, const RecordHeader& header, const char* bytes) {
  scratch_.resize(kRecordBytesMax + kRebuildGrowth);  // the first time: many regions have no need
  std::memcpy(scratch_.data(), bytes, header.size());
  store(scratch_.data(), header);
  std::size_t size = header.size();
  const Site* site = catalog_.site(header.site);
  if (!source.context.empty()) {
    const u32 grown = append_context(scratch_, header.size(), source.context);
    if (grown != 0) size = grown;
  }
  if (site && redactor_.touches(*site, false)) {
    // With no more memory than this a record that outgrows it loses its arguments, not its secrecy.
    size = redactor_.redact(std::span(scratch_).first(size + kRedactionGrowth), *site);
  }
  return size;
}

bool Merger::append_rebuilt(Source& source, const RecordHeader& header, const char* bytes,
                            u16 origin) {
  const std::size_t size = rebuild(source, header, bytes);
  if (write_at_ + size > write_end_) return false;
  auto out = load<RecordHeader>(scratch_.data());
  out.origin = u16(out.origin | origin);
  store(scratch_.data(), out);
  journal_.put_words(write_at_, scratch_.data(), size);
  write_at_ += size;
  return true;
}

void Merger::take_context(Source& source, const char* bytes, u32 size) {
  const u64 length = RealSync::read_word(bytes + kRecordHeaderBytes);
  FieldBlock block;
  if (size < kRecordHeaderBytes + 8 || length > size - kRecordHeaderBytes - 8 ||
      length > region::kContextBytesMax) {
    ++damaged_;
    return;
  }
  const ByteView fields{reinterpret_cast<const std::byte*>(bytes) + kRecordHeaderBytes + 8, length};
  if (!FieldBlock::parse(fields, block)) {
    ++damaged_;
    return;
  }
  source.context.resize(kContextRedactedMax);
  source.context.resize(redactor_.redact_fields(block, source.context));
  source.context_moved = true;
}

const Merger::SiteTraits& Merger::traits(u32 site) {
  SiteTraits& about = traits_[site];
  if (about.known) return about;
  const Site* definition = catalog_.site(site);
  about.known = true;
  about.sound = definition != nullptr;
  about.redact = definition && redactor_.touches(*definition, false);
  about.state = definition && definition->kind == RecordKind::kState;
  about.may_be_held =
      definition && from_caller(site) &&
      (definition->kind == RecordKind::kLog || definition->kind == RecordKind::kEvent);
  about.has_first_logger = definition && (definition->flags & detail::kLoggerIsFirstArg) != 0;
  about.level = definition ? u8(definition->level) : 0;
  return about;
}

void Merger::commit_batch(u64 header_bytes) {
  const u64 start = journal_.position();
  threads_.clear();
  for (const Source* source : live_) {
    BatchThread thread{};
    thread.slot = u16(source->index);
    thread.generation = source->slot->generation.load(std::memory_order_relaxed);
    thread.of_sink = u16(source->slot->of_sink.load(std::memory_order_relaxed) != 0);
    thread.position = source->ring.position();
    thread.tid = source->slot->tid.load(std::memory_order_relaxed);
    copy_text(thread.name, thread_name_of(*source->slot));
    threads_.push_back(thread);
  }
  BatchHeader header{};
  header.magic = kBatchMagic;
  header.bytes = u32(write_at_ - start);
  header.first_sequence = next_sequence_;
  header.callers_before = callers_;
  header.ticks = clock_.clock().ticks;
  header.wall_ns = clock_.clock().wall_ns;
  header.ns_per_tick_2_32 = clock_.clock().ns_per_tick_q32;
  header.records = records_;
  header.callers = batch_callers_;
  header.threads = u16(threads_.size());
  header.clock_epoch = clock_.epoch();
  header.record_bytes = u32(write_at_ - start - header_bytes);
  header.crc = batch_crc(header, threads_.data());
  journal_.put_words(start, &header, sizeof header);
  journal_.put_words(start + sizeof header, threads_.data(), threads_.size() * sizeof(BatchThread));
  store_contexts();
  noted_samples_ = sampler_.store(write_at_) && noted_samples_;
  backtrace_.store(write_at_);
  journal_.commit(header.bytes);
  next_sequence_ += records_;
  callers_ += batch_callers_;
  store_reported_drops();
  for (Source* source : live_) {
    if (source->moved) source->ring.consume();
    source->moved = false;
    if (Handover::look(source->slot->state) == SlotState::kLeft) recycle(*source);
  }
}

// Before the commit, into the copy that is not in force: it counts only once the batch does.
void Merger::store_contexts() {
  for (Source* source : live_) {
    if (!source->context_moved) continue;
    ContextCopy* copies = source->lines->context;
    ContextCopy& target = copies[0].batch_end <= copies[1].batch_end ? copies[0] : copies[1];
    target.batch_end = 0;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // a kill, not a thread, may come between
    target.bytes = u32(source->context.size());
    target.generation = source->slot->generation.load(std::memory_order_relaxed);
    if (!source->context.empty()) {
      std::memcpy(target.fields, source->context.data(), source->context.size());
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    target.batch_end = write_at_;
  }
}

void Merger::recycle(Source& source) {
  if (source.ring.published() != source.ring.position()) return;
  source.context.clear();
  source.gap = false;
  source.last_key = 0;
  // The ring is drained and committed before another thread may take the slot (P8).
  Handover::give(source.slot->state, SlotState::kReady);
}

}  // namespace sluice::back
