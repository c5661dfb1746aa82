#include "segment/definition_table.h"

namespace sluice {
namespace {

void append(std::vector<std::byte>& out, ByteView record) {
  out.insert(out.end(), record.begin(), record.end());
}

}  // namespace

DefinitionTable::DefinitionTable(const RunDefinition& run)
    : run_(encode_definition(run)), threads_(kThreadSlotsMax) {}

void DefinitionTable::set_thread(const ThreadDefinition& thread) {
  if (thread.slot >= kThreadSlotsMax) return;
  threads_[thread.slot] = {0, encode_definition(thread)};
}

void DefinitionTable::set_clock(const ClockDefinition& clock) {
  clock_ = encode_definition(clock);
  clock_frame_ = 0;
}

// Keeps the record of a site that is new, or comes from another object than last time.
void DefinitionTable::learn(const Site& site) {
  if (sites_.size() <= site.id) sites_.resize(std::size_t{site.id} + 1);
  SiteState& state = sites_[site.id];
  if (state.site == &site) return;
  state.record = encode_definition(site);
  state.site = &site;
}

bool DefinitionTable::conflicts(const Site& site) const {
  if (site.id >= sites_.size()) return false;
  const SiteState& state = sites_[site.id];
  return state.segment == segment_ && state.site != &site &&
         state.record != encode_definition(site);
}

void DefinitionTable::collect_missing(const Site* site, u16 slot, std::vector<std::byte>& out) {
  if (!run_is_defined()) append(out, run_);
  if (!clock_is_defined()) append(out, clock_);
  if (slot != kNoSlot && !thread_is_defined(slot)) append(out, threads_[slot].record);
  if (site != nullptr && !site_is_defined(site->id, site)) {
    learn(*site);
    if (sites_[site->id].window != window_) append(out, sites_[site->id].record);
  }
}

void DefinitionTable::mark_defined(const Site* site, u16 slot) {
  run_window_ = window_;
  clock_frame_ = frame_;
  if (slot != kNoSlot) threads_[slot].frame = frame_;
  if (site == nullptr) return;
  SiteState& state = sites_[site->id];
  state.window = window_;
  if (state.segment != segment_) used_sites_.push_back(site->id);
  state.segment = segment_;
}

void DefinitionTable::begin_segment() {
  ++segment_;
  run_window_ = ++window_;  // the header holds it
  used_sites_.clear();
}

}  // namespace sluice
