#include "front/series.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include "base/made.h"
#include "os/process.h"
#include "region/histogram_area.h"
#include "region/slot_handover.h"

namespace sluice {
namespace front {
namespace {

using detail::ArgType;
using detail::Cell;
using detail::CellKind;
using detail::kSeriesMax;
using region::Marks;
using region::MetricArea;
using region::MetricBlock;
using region::SeriesEntry;
using region::SeriesState;
using region::SlotOrders;

constexpr u32 kLabelsMax = detail::kSiteArgumentsMax - 1;
constexpr u32 kSummaryArguments = 2;  // a histogram's count and buckets
constexpr u32 kTextBytesMax = 1280;
constexpr i64 kNoRoomPauseNs = 20'000'000;

// All zero until it is used: the table costs no memory before.
struct Series {
  // kReady, the rest is in place. P32, as the entry's in the region.
  std::atomic<SeriesState> state{SeriesState::kFree};
  CellKind kind = CellKind::kCounter;
  u8 labels = 0;
  u32 label_offset = 0;  // in every region's MetricArea::labels
  u32 label_bytes = 0;
  // Where each text ends: name, unit, a name and a value a label, a histogram's bounds.
  u16 ends[3 + 2 * kLabelsMax] = {};
  char texts[kTextBytesMax] = {};
  alignas(CallSite) std::byte site[sizeof(CallSite)] = {};

  [[nodiscard]] std::string_view text(u32 index) const {
    const u32 from = index == 0 ? 0 : ends[index - 1];
    return {texts + from, u32{ends[index]} - from};
  }
  [[nodiscard]] bool is(const SeriesKey& key) const {
    bool same = kind == key.kind && labels == key.labels.size() && text(0) == key.name &&
                text(1) == key.unit && text(2 + 2 * labels) == bytes_of(key.bounds);
    for (u32 i = 0; same && i < labels; ++i) {
      same = text(2 + 2 * i) == key.labels[i].name && text(3 + 2 * i) == key.labels[i].value;
    }
    return same;
  }
  static std::string_view bytes_of(std::span<const double> bounds) {
    return {reinterpret_cast<const char*>(bounds.data()), bounds.size_bytes()};
  }
};
constinit Series g_series[kSeriesMax];  // 0 is none
// relaxed: a bound for scans
constinit std::atomic<u32> g_series_used{1};
constinit std::atomic<u32> g_label_bytes{0};
constinit thread_local u32 t_block_taken = 0;

constinit Cell g_no_cells[region::kBlockCells];

// A handler between the two takes the cold path, or adds where it may still.
void use_cells(Cell* cells) {
  detail::t_cells = cells;
  detail::t_links = cells != nullptr ? cells : g_no_cells;
}

// relaxed RMW, as elsewhere: a bound for scans
void raise(std::atomic<u32>& bound, u32 to) {
  u32 now = bound.load(std::memory_order_relaxed);
  while (now < to && !bound.compare_exchange_weak(now, to, std::memory_order_relaxed)) {
  }
}

u32 bytes_of(std::span<const Label> labels) {
  std::size_t bytes = 0;
  for (const Label& label : labels) bytes += 8 + label.value.size();
  return u32(round_up(bytes, 8));
}

bool fits(const SeriesKey& key) {
  if (key.name.size() > kTextBytesMax || key.unit.size() > kTextBytesMax) return false;
  std::size_t texts = key.name.size() + key.unit.size() + key.bounds.size_bytes();
  for (const Label& label : key.labels) {
    if (label.name.size() > 255 || label.value.size() > kTextBytesMax) return false;
    texts += label.name.size() + label.value.size();
  }
  const u32 labels_max =
      region::is_histogram(key.kind) ? kLabelsMax - kSummaryArguments : kLabelsMax;
  return key.labels.size() <= labels_max && texts <= kTextBytesMax &&
         bytes_of(key.labels) <= region::kSeriesLabelBytesMax;
}

// The same in every region that this process and its children will have.
std::optional<u32> reserve_labels(u32 bytes) {
  // relaxed: only makes the range ours
  u32 at = g_label_bytes.load(std::memory_order_relaxed);
  do {
    if (bytes > sizeof(MetricArea::labels) - at) return {};
  } while (!g_label_bytes.compare_exchange_weak(at, at + bytes, std::memory_order_relaxed));
  return at;
}

void fill(Series& series, const SeriesKey& key) {
  u32 at = 0, texts = 0;
  const auto put = [&](std::string_view text) {
    if (!text.empty()) std::memcpy(series.texts + at, text.data(), text.size());
    at += u32(text.size());
    series.ends[texts++] = u16(at);
  };
  put(key.name);
  put(key.unit);
  for (const Label& label : key.labels) {
    put(label.name);
    put(label.value);
  }
  put(Series::bytes_of(key.bounds));
  series.kind = key.kind;
  series.labels = u8(key.labels.size());
  new (series.site) CallSite(Level::info, detail::RecordKind::kMetric);
}

CallSite& site_of(Series& series) {
  return *std::launder(reinterpret_cast<CallSite*>(series.site));
}

detail::MetricKind metric_kind(CellKind kind) {
  switch (kind) {
    case CellKind::kCounter:
      return detail::MetricKind::kCounter;
    case CellKind::kExplicit:
    case CellKind::kExponential:
      return detail::MetricKind::kHistogram;
    case CellKind::kTimer:
      return detail::MetricKind::kTimer;
    case CellKind::kUpDown:
    case CellKind::kGauge:
      break;
  }
  return detail::MetricKind::kGauge;
}

// The site of its records, as SLUICE_COUNTER, SLUICE_GAUGE ... would have made it.
void publish_site_of(Series& series) {
  detail::SiteText text;
  text.kind = detail::RecordKind::kMetric;
  text.metric = metric_kind(series.kind);
  text.format = series.text(0);
  text.unit = series.text(1);
  ArgType types[1 + kLabelsMax] = {ArgType::kF64};
  std::string_view names[1 + kLabelsMax];
  u32 arguments = 1;
  const auto argument = [&](ArgType type, std::string_view name) {
    types[arguments] = type;
    names[arguments++] = name;
  };
  if (region::is_histogram(series.kind)) {
    text.flags = detail::kIsSummary;
    argument(ArgType::kU64, "count");
    argument(ArgType::kJson, "buckets");
  }
  for (u32 i = 0; i < series.labels; ++i) argument(ArgType::kString, series.text(2 + 2 * i));
  publish_site(site_of(series), {&text, types, names, arguments});
}

// The values of the labels as arguments: their lengths, then their bytes.
void write_labels(MetricArea& area, const Series& series) {
  alignas(8) char bytes[region::kSeriesLabelBytesMax] = {};
  char* text = bytes + 8 * series.labels;
  for (u32 i = 0; i < series.labels; ++i) {
    const std::string_view value = series.text(3 + 2 * i);
    store(bytes + 8 * i, u64{value.size()});
    if (!value.empty()) std::memcpy(text, value.data(), value.size());
    text += value.size();
  }
  char* const to = area.labels + series.label_offset;
  for (u32 at = 0; at < series.label_bytes; at += 8) {
    // relaxed: published by the entry's state (P32)
    JournalSync::store_word(to + at, load<u64>(bytes + at), std::memory_order_relaxed);
  }
}

// Threads that come at once write the same words: none adds to a cell whose series is not ready,
// or a kill of the process would lose what it had added, and none waits. False: no memory.
bool publish_series(u32 at) {
  MetricArea& area = g_front.region.metrics();
  Series& series = g_series[at];
  SeriesEntry& entry = area.series[at];
  if (Marks::look(entry.state) != SeriesState::kFree) return true;
  if (region::is_histogram(series.kind)) {
    double bounds[detail::kBoundsMax];
    const std::string_view bytes = series.text(2 + 2 * series.labels);
    std::memcpy(bounds, bytes.data(), bytes.size());
    if (!publish_histogram(entry, series.kind, {bounds, bytes.size() / sizeof(double)}))
      return false;
  }
  publish_site_of(series);
  write_labels(area, series);
  const u32 site = site_of(series).id.load(std::memory_order_relaxed);
  // relaxed: published by the state (P32)
  entry.kind.store(series.kind, std::memory_order_relaxed);
  entry.site.store(site, std::memory_order_relaxed);
  entry.label_offset.store(series.label_offset, std::memory_order_relaxed);
  entry.label_bytes.store(series.label_bytes, std::memory_order_relaxed);
  entry.labels.store(series.labels, std::memory_order_relaxed);
  raise(area.lines.series_used, at + 1);
  if (site == kSiteUnknown) {
    SeriesState free = SeriesState::kFree;
    // relaxed: nothing is read of a refused one
    if (entry.state.compare_exchange_strong(free, SeriesState::kRefused,
                                            std::memory_order_relaxed)) {
      count_refused();
    }
    return true;
  }
  // Site, kind and labels before it, for the sampler (P32).
  Marks::set(entry.state, SeriesState::kReady);
  return true;
}

// A block for `taken`; its chunk is made when there is none. Null: no memory.
Cell* cells_of(MetricBlock& block) {
  region::Region& region = g_front.region;
  u64 chunk = Made::look(block.chunk);
  if (chunk == 0) {
    const u64 made = allocate_cells(region::kBlockBytes);
    if (made == 0) return nullptr;
    raise(region.metrics().lines.blocks_used, u32(&block - region.metrics().blocks) + 1);
    if (Made::publish_in_place(block.chunk, chunk, made)) chunk = made;
  }
  return reinterpret_cast<Cell*>(region.chunk(chunk, region::kBlockBytes));
}

void attach_cells() {
  MetricArea& area = g_front.region.metrics();
  for (u32 i = 1; i < region::kBlocksMax; ++i) {
    MetricBlock& block = area.blocks[i];
    u32 free = 0;
    // acquire: the cells as the thread before has left them (P33); relaxed: nothing is read then
    if (block.taken.load(std::memory_order_relaxed) != 0 ||
        !block.taken.compare_exchange_strong(free, 1, SlotOrders::take,
                                             std::memory_order_relaxed)) {
      continue;
    }
    Cell* const cells = cells_of(block);
    if (cells == nullptr) {
      block.taken.store(0, SlotOrders::leave);
      return;
    }
    t_block_taken = i;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    use_cells(cells);
    os::set_thread_exit_value(&detail::t_block);
    return;
  }
}

}  // namespace

u32 find_series(const SeriesKey& key) {
  const u32 none = region::is_histogram(key.kind) ? kNoHistogram : kNoSeries;
  if (!fits(key)) return none;
  std::optional<u32> offset;
  for (u32 i = 1; i < kSeriesMax; ++i) {
    Series& series = g_series[i];
    SeriesState state = Marks::look(series.state);
    if (state == SeriesState::kFree && !offset) offset = reserve_labels(bytes_of(key.labels));
    if (state == SeriesState::kFree && !offset) return none;
    if (state == SeriesState::kFree &&
        // relaxed: what is in it is published by kReady (P32)
        series.state.compare_exchange_strong(state, SeriesState::kWriting,
                                             std::memory_order_relaxed)) {
      fill(series, key);
      series.label_offset = *offset;
      series.label_bytes = bytes_of(key.labels);
      raise(g_series_used, i + 1);
      Marks::set(series.state, SeriesState::kReady);  // the texts before it (P32)
      return i;
    }
    if (state == SeriesState::kReady && series.is(key)) return i;
  }
  return none;
}

bool prepare_cells(u32 at) {
  if (!ensure_region()) return false;
  if (at < kSeriesMax && !publish_series(at)) return false;
  const bool attached = detail::t_cells != nullptr;
  if (!attached) {
    // All of them: after a fork the region knows none, and this thread's cold path comes once.
    const u32 used = g_series_used.load(std::memory_order_relaxed);
    for (u32 i = 1; i < used; ++i) {
      // One that finds no memory does so again when it is used.
      if (Marks::look(g_series[i].state) == SeriesState::kReady) (void)publish_series(i);
    }
  }
  // Behind the series: another thread may set an inherited gauge as soon as it is there.
  (void)cells_of(g_front.region.metrics().blocks[0]);
  if (!attached) attach_cells();
  return true;
}

u32 prepare_series(std::atomic<u32>& known, const SeriesKey& key) {
  // acquire: as in SeriesHandle::cell() (P32)
  u32 at = known.load(detail::SiteOrders::see_id);
  if (at != 0) return prepare_cells(at) ? at : 0;
  const u32 found = find_series(key);
  if (!prepare_cells(found)) return 0;
  // release, and acquire of another's: the region knows it; the first holds for all threads (P32)
  if (!known.compare_exchange_strong(at, found, detail::SiteOrders::publish_id,
                                     detail::SiteOrders::see_id)) {
    return at;
  }
  if (found >= kSeriesMax) count_refused();
  return found;
}

u64 allocate_cells(u64 bytes) {
  const i64 now = os::monotonic_ns();
  // relaxed: a hint
  if (now < g_front.no_room_until_ns.load(std::memory_order_relaxed)) return 0;
  const u64 made = g_front.region.allocate(bytes);
  if (made == 0) g_front.no_room_until_ns.store(now + kNoRoomPauseNs, std::memory_order_relaxed);
  return made;
}

void count_refused() {
  // relaxed: a counter
  if (ensure_region()) {
    g_front.region.metrics().lines.refused.fetch_add(1, std::memory_order_relaxed);
  }
}

void count_lost_add() {
  // relaxed: a counter
  g_front.lost_adds.fetch_add(1, std::memory_order_relaxed);
}

Cell* shared_cells() {
  const region::Region& region = g_front.region;
  if (!region.exists()) return nullptr;
  const u64 chunk = Made::look(region.metrics().blocks[0].chunk);
  return chunk == 0 ? nullptr : reinterpret_cast<Cell*>(region.base() + chunk);
}

void detach_cells() {
  if (detail::t_cells == nullptr) return;
  use_cells(nullptr);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // release: this thread's adds before the acquire in attach_cells() (P33)
  g_front.region.metrics().blocks[t_block_taken].taken.store(0, SlotOrders::leave);
}

bool forget_cells() {
  const bool had = detail::t_cells != nullptr;
  use_cells(nullptr);
  return had;
}

}  // namespace front

inline namespace v1 {
namespace detail {

constinit thread_local Cell* t_cells = nullptr;
constinit thread_local const Cell* t_links = front::g_no_cells;

template <CellKind kKind>
SeriesHandle<kKind>::SeriesHandle(std::string_view name, std::string_view unit, Labels labels,
                                  std::span<const double> bounds) noexcept
    : name_(""), unit_("") {
  const os::KeepErrno keep;
  const u32 at =
      front::find_series({kKind, name, unit, std::span(labels.begin(), labels.size()), bounds});
  if (at >= kSeriesMax) front::count_refused();
  front::prepare_cells(at);
  // release: the region knows it (P32)
  series_.store(at, detail::SiteOrders::publish_id);
}

template <CellKind kKind>
void SeriesHandle<kKind>::add_cold(std::uint64_t n) noexcept {
  const os::KeepErrno keep;
  const u32 at = front::prepare_series(series_, {kKind, name_, unit_});
  Cell* const mine = t_cells;
  Cell* const shared = mine != nullptr ? nullptr : front::shared_cells();
  if (at != 0 && mine != nullptr) {
    add_to_cell(mine[at], n);
  } else if (at != 0 && shared != nullptr) {
    // relaxed: a counter of all threads that have no block
    shared[at].fetch_add(n, std::memory_order_relaxed);
  } else {
    front::count_lost_add();
  }
}

template <CellKind kKind>
void SeriesHandle<kKind>::set(std::uint64_t word) noexcept {
  // acquire: as in cell() (P32)
  const u32 known = series_.load(detail::SiteOrders::see_id);
  Cell* cells = known != 0 ? front::shared_cells() : nullptr;
  u32 at = known;
  if (cells == nullptr) {
    const os::KeepErrno keep;
    at = front::prepare_series(series_, {kKind, name_, unit_});
    cells = front::shared_cells();
    if (at == 0 || cells == nullptr) return front::count_lost_add();
  }
  // relaxed: the last one holds. A cell of zeros was never set.
  cells[at].store(~word != 0 ? ~word : 1, std::memory_order_relaxed);
}

template <CellKind kKind>
void SeriesHandle<kKind>::observe_cold(std::uint32_t bucket, std::uint64_t sum,
                                       std::span<const double> bounds) noexcept {
  const os::KeepErrno keep;
  const u32 at = front::prepare_series(series_, {kKind, name_, unit_, {}, bounds});
  if (at >= kSeriesMax) return;
  Cell* const mine = t_cells;
  Cell* const block = mine != nullptr ? mine : front::shared_cells();
  HistogramCell* const buckets =
      at != 0 && block != nullptr ? front::make_buckets(block, at) : nullptr;
  if (buckets == nullptr) {
    front::count_lost_add();
  } else if (mine != nullptr) {
    add_to_cell(buckets[bucket].sum, sum);
    add_to_cell(buckets[bucket].count, 1);
  } else {
    // relaxed: counters of all threads that have no block
    buckets[bucket].sum.fetch_add(sum, std::memory_order_relaxed);
    buckets[bucket].count.fetch_add(1, std::memory_order_relaxed);
  }
}

template class SeriesHandle<CellKind::kCounter>;
template class SeriesHandle<CellKind::kUpDown>;
template class SeriesHandle<CellKind::kGauge>;
template class SeriesHandle<CellKind::kExplicit>;
template class SeriesHandle<CellKind::kExponential>;
template class SeriesHandle<CellKind::kTimer>;

}  // namespace detail
}  // namespace v1
}  // namespace sluice
