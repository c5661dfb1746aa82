// What another process's metric cells come to, from its region.
#include <algorithm>
#include <cstddef>

#include "collector/region_image.h"

namespace sluice::collector {
namespace {

using region::MetricArea;
using region::SeriesEntry;
using region::SeriesState;

// More than the definition of any series of ours has.
constexpr std::size_t kSeriesTextMax = 4096;

// The values of the labels of `entry`; false: their lengths do not fit.
bool read_labels(const MetricArea& area, const SeriesEntry& entry,
                 std::vector<std::string>& values) {
  // relaxed, here and below: a private copy
  const u64 offset = entry.label_offset.load(std::memory_order_relaxed),
            bytes = entry.label_bytes.load(std::memory_order_relaxed);
  if (offset > sizeof area.labels || bytes > sizeof area.labels - offset) return false;
  if (bytes > region::kSeriesLabelBytesMax || bytes < values.size() * 8) return false;
  const char* const from = area.labels + offset;
  for (u64 at = values.size() * 8, i = 0; i < values.size(); ++i) {
    const u64 size = load<u64>(from + i * 8);
    if (size > bytes - at) return false;
    values[i].assign(from + at, size);
    at += size;
  }
  return true;
}

using SeriesTotal = RegionImage::SeriesTotal;

// False: its words make no sense.
template <class Read>
bool read_buckets(const MetricArea& area, u32 series, double tick_seconds, SeriesTotal& one,
                  const Read& read) {
  region::HistogramShape shape;
  if (!region::read_shape(one.kind, Made::look(area.series[series].histogram), shape, read)) {
    return false;
  }
  std::vector<region::Bucket> totals(shape.buckets());
  if (!region::sum_buckets(area, series, totals, read)) return false;
  const double unit = one.kind == region::CellKind::kTimer ? tick_seconds : 1;
  for (u32 i = 0; i < totals.size(); ++i) {
    one.buckets.push_back(
        {shape.upper(i) * unit, totals[i].count, shape.sum(i, totals[i].sum) * unit});
  }
  return true;
}

}  // namespace

double RegionImage::tick_seconds() {
  alignas(64) char bytes[sizeof(region::ClockPage)];
  if (!read_in(region::AreaKind::kClock, 0, bytes, sizeof bytes)) return 1e-9;
  const u64 rate = load<u64>(bytes + offsetof(region::ClockPage, ns_per_tick_2_32));
  return double(rate) / 4294967296.0 * 1e-9;
}

std::vector<RegionImage::SeriesTotal> RegionImage::series() {
  std::vector<SeriesTotal> all;
  region::MetricLines lines;
  // relaxed: a private copy
  if (!read_in(region::AreaKind::kMetricCells, 0, &lines, sizeof lines) ||
      lines.series_used.load(std::memory_order_relaxed) <= 1) {
    return all;
  }
  const auto area = std::make_unique<MetricArea>();
  if (!read_in(region::AreaKind::kMetricCells, 0, area.get(), sizeof *area)) return all;
  const u32 used =
      std::min(area->lines.series_used.load(std::memory_order_relaxed), region::kSeriesMax);
  std::vector<u64> totals(used);
  const auto read = [this](u64 at, void* to, u64 bytes) { return read_at(at, to, bytes); };
  // Behind the table: a cell that is read is one of a series that was seen, or adds nothing.
  if (!region::sum_cells(*area, totals, read)) return all;
  const double seconds = tick_seconds();
  for (u32 i = 1; i < used; ++i) {
    const SeriesEntry& entry = area->series[i];
    if (entry.state.load(std::memory_order_relaxed) != SeriesState::kReady) continue;
    SeriesTotal one{entry.site.load(std::memory_order_relaxed),
                    entry.kind.load(std::memory_order_relaxed),
                    {},
                    totals[i],
                    {}};
    const std::vector<std::byte> text = site_text(one.site);
    if (text.size() > kSeriesTextMax) continue;
    const Result<Site> site = decode_site(text);
    if (!site.ok()) continue;
    const std::size_t own = first_label(site.value());
    if (site.value().arguments.size() < own) continue;
    one.labels.resize(site.value().arguments.size() - own);
    if (!read_labels(*area, entry, one.labels)) continue;
    if (region::is_histogram(one.kind) && !read_buckets(*area, i, seconds, one, read)) continue;
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace sluice::collector
