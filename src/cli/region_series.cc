// What another process's metric cells come to, from its region.
#include <algorithm>
#include <cstddef>

#include "cli/region_image.h"

namespace sluice::cli {
namespace {

using region::MetricArea;
using region::SeriesEntry;
using region::SeriesState;

// The values of the labels of `entry`; false: their lengths do not fit.
bool read_labels(const MetricArea& area, const SeriesEntry& entry,
                 std::vector<std::string>& values) {
  // relaxed, here and below: a private copy
  const u64 offset = entry.label_offset.load(std::memory_order_relaxed),
            bytes = entry.label_bytes.load(std::memory_order_relaxed);
  if (offset > sizeof area.labels || bytes > sizeof area.labels - offset) return false;
  const char* const from = area.labels + offset;
  for (u64 at = values.size() * 8, i = 0; i < values.size(); ++i) {
    if ((i + 1) * 8 > bytes) return false;
    const u64 size = load<u64>(from + i * 8);
    if (size > bytes - at) return false;
    values[i].assign(from + at, size);
    at += size;
  }
  return true;
}

}  // namespace

std::vector<RegionImage::SeriesTotal> RegionImage::series() {
  std::vector<SeriesTotal> all;
  const auto area = std::make_unique<MetricArea>();
  if (!read_in(region::AreaKind::kMetricCells, 0, area.get(), sizeof *area)) return all;
  const u32 used =
      std::min(area->lines.series_used.load(std::memory_order_relaxed), region::kSeriesMax);
  std::vector<u64> totals(used);
  // Behind the table: a cell that is read is one of a series that was seen, or adds nothing.
  if (!region::sum_cells(*area, totals,
                         [this](u64 at, void* to, u64 bytes) { return read_at(at, to, bytes); })) {
    return all;
  }
  for (u32 i = 1; i < used; ++i) {
    const SeriesEntry& entry = area->series[i];
    if (entry.state.load(std::memory_order_relaxed) != SeriesState::kReady) continue;
    SeriesTotal one{entry.site.load(std::memory_order_relaxed),
                    entry.kind.load(std::memory_order_relaxed),
                    {},
                    totals[i]};
    const Result<Site> site = decode_site(site_text(one.site));
    if (!site.ok() || site.value().arguments.empty()) continue;
    one.labels.resize(site.value().arguments.size() - 1);
    if (read_labels(*area, entry, one.labels)) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace sluice::cli
