// A mirror's series and cells. The copy has the table, without any cells: those are read where they
// lie, each time, and only added up; what was told of histograms is written there at once.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "collector/region_mirror.h"

namespace sluice::collector {

using region::MetricArea;
using region::MetricBlock;
using region::MetricLines;
using region::SeriesEntry;
using region::SeriesState;
using region::ToldCopy;

// A series is believed once: what it is does not change. Its site is read afterwards.
bool RegionMirror::read_series(bool& some_new) {
  MetricArea& area = region_.metrics();
  alignas(64) char lines[sizeof(MetricLines)];
  if (!read_at(region_.offset_of(&area.lines), lines, sizeof lines)) return false;
  const u32 used =
      std::min(load<u32>(lines + offsetof(MetricLines, series_used)), region::kSeriesMax);
  const u32 blocks =
      std::min(load<u32>(lines + offsetof(MetricLines, blocks_used)), region::kBlocksMax);
  // relaxed, here and below: words of the copy that only this thread uses
  area.lines.blocks_used.store(blocks, std::memory_order_relaxed);
  if (used == 0) return true;
  if (!read_here(area.blocks, blocks * sizeof(MetricBlock))) return false;
  scratch_.resize(std::max<u64>(scratch_.size(), u64{used} * sizeof(SeriesEntry)));
  if (!read_at(region_.offset_of(area.series), scratch_.data(), u64{used} * sizeof(SeriesEntry))) {
    return false;
  }
  for (u32 i = 1; i < used; ++i) {
    const char* const from = scratch_.data() + u64{i} * sizeof(SeriesEntry);
    SeriesEntry& entry = area.series[i];
    if (load<u32>(from) != u32(SeriesState::kReady) ||
        entry.state.load(std::memory_order_relaxed) == SeriesState::kReady) {
      continue;
    }
    std::memcpy(reinterpret_cast<char*>(&entry) + sizeof entry.state, from + sizeof entry.state,
                sizeof entry - sizeof entry.state);
    entry.state.store(SeriesState::kReady, std::memory_order_relaxed);
    if (told_.size() < 2 * (i + 1)) told_.resize(2 * (i + 1));
    std::copy_n(entry.told, 2, &told_[2 * i]);
    some_new = true;
  }
  if (some_new && !read_here(area.labels, sizeof area.labels)) return false;
  area.lines.series_used.store(used, std::memory_order_relaxed);
  return true;
}

// A histogram's chunk is where its owner says, and the file no longer for it.
bool RegionMirror::write_chunk(u64 offset, const void* from, u64 bytes) {
  os::FileInfo info;
  return offset >= region_.end_of_areas() && io_.stat_fd(fd_, info) == 0 && offset <= info.size &&
         bytes <= info.size - offset && write_at(offset, from, bytes);
}

// Before the batches that say so: a copy counts only once its batch is committed.
bool RegionMirror::write_told() {
  if (!merger_->noted_samples()) return false;
  if (merger_->samples_told() == samples_told_ && samples_told_ != 0) return true;
  samples_told_ = merger_->samples_told();
  for (u32 i = 1; i < told_.size() / 2; ++i) {
    for (u32 which = 0; which < 2; ++which) {
      const ToldCopy& now = region_.metrics().series[i].told[which];
      ToldCopy& before = told_[2 * i + which];
      if (now.batch_end == before.batch_end && now.total == before.total) continue;
      if (!write_here(&now, sizeof now)) return false;
      before = now;
    }
  }
  return true;
}

}  // namespace sluice::collector
