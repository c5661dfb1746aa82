// What the engine itself says in the journal: drops that were counted, and samples of metrics.
#include <algorithm>
#include <cstring>

#include "back/merger.h"

namespace sluice::back {
namespace {

constexpr i64 kReportIntervalNs = 100'000'000;
constexpr u32 kDropReportBytes = kRecordHeaderBytes + 6 * 8;
constexpr u32 kSampleFixedBytes = kRecordHeaderBytes + 8;

}  // namespace

void Merger::adopt_reported_drops() {
  // relaxed: of a dead consumer, whose locks the kernel gave us
  const u64 used = std::min(region_.wake().sites_used.load(std::memory_order_relaxed),
                            region_.header().sites_max);
  reported_.assign(region_.reported_drops(), region_.reported_drops() + used * kDropReasons);
}

void Merger::adopt_drop_report(const BatchRecord& record) {
  if (record.header().site != kSiteDropReport || record.bytes.size() < kDropReportBytes) return;
  const std::byte* const words = record.bytes.data() + kRecordHeaderBytes;
  const u64 site = load<u64>(words), reason = load<u64>(words + 8);
  if (site >= region_.header().sites_max || reason >= kDropReasons) return;
  if (site >= reported_.size() / kDropReasons) reported_.resize((site + 1) * kDropReasons);
  u64& reported = reported_[site * kDropReasons + reason];
  reported = std::max(reported, load<u64>(words + 16));
}

bool Merger::report_is_due() const {
  // relaxed: a counter
  return region_.wake().drops.load(std::memory_order_relaxed) != reported_drops_ &&
         (report_now_ || dead_ ||
          now_ - last_report_ticks_ > clock_.ticks_of_ns(kReportIntervalNs));
}

void Merger::append_drop_reports() {
  const u64 drops = region_.wake().drops.load(std::memory_order_relaxed);
  const u64 now = dead_ ? std::max(last_key_, last_report_ticks_) : now_;
  const u32 used = std::min(region_.wake().sites_used.load(std::memory_order_relaxed),
                            region_.header().sites_max);
  reported_.resize(std::max<u64>(reported_.size(), u64{used} * kDropReasons));
  for (u32 site = 0; site < used; ++site) {
    for (u32 reason = 0; reason < kDropReasons; ++reason) {
      const u64 total = region_.drop_cell(site, DropReason(reason)).load(std::memory_order_relaxed);
      u64& reported = reported_[u64{site} * kDropReasons + reason];
      if (total == reported) continue;
      // What does not fit goes with the next report: `drops` is then still not what was reported.
      if (write_at_ + kDropReportBytes > write_end_) return;
      const RecordHeader header{kDropReportBytes / 8, kEngineSlot, kSiteDropReport, now};
      const u64 words[] = {site, reason, total, total - reported, last_report_ticks_, now};
      journal_.put_words(write_at_, &header, sizeof header);
      journal_.put_words(write_at_ + sizeof header, words, sizeof words);
      write_at_ += kDropReportBytes;
      ++records_;
      reported = total;
      reports_.push_back(site * kDropReasons + reason);
    }
  }
  reported_drops_ = drops;
  last_report_ticks_ = now;
  report_now_ = false;
}

// Behind the commit: what these words say is in the journal, whenever we are killed.
void Merger::store_reported_drops() {
  if (reports_.empty()) return;
  JournalSync::keep_order();
  for (const u32 place : reports_) region_.reported_drops()[place] = reported_[place];
  reports_.clear();
  ++reports_told_;
}

bool Merger::wants_cells() const {
  const i64 interval = options_.sample_interval_ns;
  return sample_now_ ||
         (interval != 0 && clock_.now() - last_sample_ticks_ > clock_.ticks_of_ns(interval));
}

bool Merger::samples_are_due() {
  if (!sampling_ && wants_cells()) {
    last_sample_ticks_ = clock_.now();
    sample_now_ = false;
    const double ns_per_tick = double(clock_.clock().ns_per_tick_q32) / 4294967296.0;
    sampling_ = sampler_.begin(ns_per_tick * 1e-9);
  }
  sampling_ = sampling_ && sampler_.next().has_value();
  return sampling_;
}

std::size_t Merger::make_sample(const Sample& sample, u64 ticks) {
  char labels[region::kSeriesLabelBytesMax];
  for (std::size_t at = 0; at < sample.labels.size(); at += 8) {
    // relaxed: a thread may be writing them once more, the same (front/series.cc)
    store(labels + at,
          JournalSync::load_word(sample.labels.data() + at, std::memory_order_relaxed));
  }
  const std::size_t room = sample.labels.size() - sample.label_words;
  u64 label_texts = 0;
  for (std::size_t at = 0; at < sample.label_words; at += 8) {
    label_texts += std::min<u64>(load<u64>(labels + at), room);
  }
  label_texts = std::min<u64>(label_texts, room);
  const std::string_view buckets = sample.summary ? sample.summary->buckets : std::string_view();
  const std::size_t words =
      kSampleFixedBytes + (sample.summary ? 2 * sizeof(u64) : 0) + sample.label_words;
  const std::size_t size = round_up(words + buckets.size() + label_texts, 8);
  std::byte* at = scratch_.data();
  const auto put = [&at](const void* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(at, from, bytes);
    at += bytes;
  };
  store(at + size - 8, u64{0});
  const RecordHeader header{u16(size / 8), kEngineSlot, sample.site, ticks};
  put(&header, sizeof header);
  put(&sample.value, sizeof sample.value);
  if (sample.summary) {
    const u64 counts[] = {sample.summary->count, buckets.size()};
    put(counts, sizeof counts);
  }
  put(labels, sample.label_words);
  put(buckets.data(), buckets.size());
  put(labels + sample.label_words, label_texts);
  return size;
}

// As many as the batch has room for; the next one goes on. They are records like a caller's.
void Merger::append_samples() {
  scratch_.resize(kRecordBytesMax + kRebuildGrowth);
  while (const std::optional<Sample> sample = sampler_.next()) {
    const u64 ticks = std::max(dead_ ? 0 : now_, last_key_);
    std::size_t size = make_sample(*sample, ticks);
    const Site* site = catalog_.site(sample->site);
    if (site && redactor_.touches(*site, false)) {
      size = redactor_.redact(std::span(scratch_).first(size + kRedactionGrowth), *site);
    }
    if (write_at_ + size > write_end_) {
      more_ = true;
      return;
    }
    journal_.put_words(write_at_, scratch_.data(), size);
    write_at_ += size;
    last_key_ = ticks;
    ++records_;
    ++batch_callers_;
    sampler_.said(*sample);
  }
  sampling_ = false;
}

}  // namespace sluice::back
