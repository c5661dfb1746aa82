// Scoped context: the thread's fields are kept in thread-local memory as one FieldBlock, and every
// change puts the whole block into the ring, so that the merge always knows the fields in force.
// A block that found no room is written before the next record; until then nothing else is.
#include <cstring>

#include "base/fixed_text.h"
#include "front/front.h"
#include "os/process.h"
#include "sluice/log.h"

namespace sluice::front {
namespace {

constexpr u32 kFieldsMax = 64;  // what a reader accepts

struct ContextBlock {
  u32 bytes;
  u32 count;
  char fields[region::kContextBytesMax];
};
constinit thread_local ContextBlock t_context{};

// A record of a built-in site with one tail argument, or with none.
bool write_builtin(ThreadBlock& block, u64& position, u32 site, ByteView tail, bool has_tail) {
  const region::Region& region = g_front.region;
  const auto ring = region.ring_of(region.slots()[block.slot]);
  const u64 bytes = kRecordHeaderBytes + (has_tail ? 8 + round_up(tail.size(), 8) : 0);
  const u64 fast = ring.capacity - ring.capacity / 8;
  if (!make_room(block.ring, ring, position, bytes, ring.capacity, fast)) return false;
  char* to = block.ring.at(position);
  store(to, u64{bytes / 8} | u64{site} << 32);
  store(to + 8, u64{detail::ticks_now()});
  if (has_tail) {
    std::memset(to + bytes - 8, 0, 8);
    store(to + 16, u64{tail.size()});
    std::memcpy(to + 24, tail.data(), tail.size());
  }
  position += bytes;
  return true;
}

}  // namespace

bool write_pending(ThreadBlock& block, u64& position) {
  if (block.pending & detail::kPendingContext) {
    const ByteView fields = as_bytes({t_context.fields, t_context.bytes});
    if (!write_builtin(block, position, kSiteContext, fields, true)) return false;
    block.pending &= u8(~detail::kPendingContext);
  }
  if (block.pending & detail::kPendingStateGap) {
    if (!write_builtin(block, position, kSiteStateGap, {}, false)) return false;
    block.pending &= u8(~detail::kPendingStateGap);
  }
  return true;
}

}  // namespace sluice::front

namespace sluice {
inline namespace v1 {

void Context::begin() noexcept {
  outer_bytes_ = front::t_context.bytes;
  outer_count_ = front::t_context.count;
}

void Context::add_bytes(detail::ArgType type, std::string_view name, const void* bytes,
                        std::size_t size) noexcept {
  front::ContextBlock& context = front::t_context;
  name = name.substr(0, 255);
  if (context.count == front::kFieldsMax || size > region::kContextBytesMax ||
      context.bytes + 4 + name.size() + size > region::kContextBytesMax) {
    if (front::ensure_region()) {
      // relaxed: a counter
      front::g_front.region.wake().context_refused.fetch_add(1, std::memory_order_relaxed);
    }
    return;
  }
  char* to = context.fields + context.bytes;
  store(to, u8(type));
  store(to + 1, u8(name.size()));
  store(to + 2, u16(size));
  if (!name.empty()) std::memcpy(to + 4, name.data(), name.size());
  if (size != 0) std::memcpy(to + 4 + name.size(), bytes, size);
  context.bytes += u32(4 + name.size() + size);
  ++context.count;
}

void Context::publish() noexcept {
  const os::KeepErrno keep;
  detail::ThreadBlock& block = detail::t_block;
  block.pending |= detail::kPendingContext;
  u64 position;
  // A handler inside a call: with the next record.
  if (!block.attached || !block.ring.try_enter(position)) return;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // Nothing fits until the block is written: see make_room().
  block.ring.limit = position;
  // relaxed, within a call, as a control byte: quiesce() orders it (P9)
  if (front::g_front.phase.word.load(std::memory_order_relaxed) != front::Phase::kStopped) {
    front::write_pending(block, position);
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  block.ring.leave(position);
}

Context::~Context() {
  front::t_context.bytes = outer_bytes_;
  front::t_context.count = outer_count_;
  publish();
}

}  // namespace v1
}  // namespace sluice
