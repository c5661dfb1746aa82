#include "sink/segment_sink.h"

#include <algorithm>
#include <utility>

#include "base/fixed_text.h"
#include "os/os_error.h"
#include "segment/directory.h"
#include "segment/recover.h"
#include "segment/source.h"

namespace sluice::sink {
namespace {

RegionId region_id_of(const region::Region& region) {
  RegionId id;
  std::copy_n(region.header().region_id, id.size(), id.begin());
  return id;
}

RunDefinition run_of(const region::Region& region, const RunInfo& run) {
  return {.region_id = region_id_of(region),
          .product = run.product,
          .version = run.version,
          .run_id = run.run_id,
          .host = run.host,
          .pid = run.pid,
          .start_wall_ns = region.header().start_wall_ns};
}

}  // namespace

std::string segment_name_of(std::string_view text) {
  std::string name(text.substr(0, kSegmentNameBytesMax));
  if (name.empty()) name = "sluice";
  if (name[0] == '.') name[0] = '_';
  for (char& c : name) {
    if (!is_segment_name({&c, 1}) && c != '.') c = '_';
  }
  return name;
}

SegmentSink::SegmentSink(const back::SinkConfig& config, os::Io& io)
    : io_(io), directory_(config.path), name_(segment_name_of(config.name)), filter_(config) {}

Status SegmentSink::open(const back::Catalog& catalog, back::Cursor&) {
  const int made = make_directories(io_, directory_);
  if (made < 0) {
    return failed(class_of_open_error(made), directory_, "cannot make the directory", made);
  }
  const RegionId region = region_id_of(catalog.region());
  const Result<std::optional<u64>> last = last_sequence(io_, directory_, region);
  if (!last.ok()) return last.status();
  if (last.value()) stored_end_ = *last.value() + 1;
  // Even when nothing is stored: a writer killed over its first frame leaves a torn one.
  Status status = recover_unsealed(region);
  if (!status.ok()) return status;
  auto opened = SegmentWriter::open({.directory = directory_, .name = name_, .io = &io_},
                                    run_of(catalog.region(), catalog.run()));
  if (!opened.ok()) return opened.status();
  writer_ = std::move(opened.value());
  return {};
}

Status SegmentSink::recover_unsealed(const RegionId& region) {
  const Result<std::vector<SegmentName>> segments = list_segments(io_, directory_, name_);
  if (!segments.ok()) return segments.status();
  for (const SegmentName& segment : segments.value()) {
    const std::string path = directory_ + "/" + segment_file_name(segment.name, segment.number);
    const Result<std::unique_ptr<ByteSource>> source = open_source(io_, path);
    if (!source.ok()) continue;  // gone, or not ours to read
    FrameHeader first{};
    const i64 got = source.value()->read(0, &first, sizeof first);
    if (got != sizeof first || first.region_id != region) continue;
    const Result<RecoveryReport> recovered = recover_segment(io_, path);
    if (!recovered.ok() && recovered.status().error_class() == ErrorClass::kRetryable) {
      return recovered.status();
    }
    // Killed over the very first frame: the file holds nothing, and never will.
    std::byte last{};
    const bool cut_short = source.value()->read(frame_extent(first) - 1, &last, 1) == 0;
    if (recovered.ok() && !recovered.value().is_segment && cut_short) io_.unlink(path.c_str());
  }
  return {};
}

Status SegmentSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  taken_ = std::max(taken_, cursor.sequence());
  for (const BatchView& batch : batches) {
    if (batch.next_sequence() <= taken_) continue;
    Status status = take_all(batch, catalog);
    if (!status.ok()) return status;
  }
  Status status = writer_->flush();
  if (status.ok()) cursor.passed(taken_, std::exchange(counts_, {}));
  return status;
}

Status SegmentSink::take_all(const BatchView& batch, back::Catalog& catalog) {
  define(batch);
  Status status;
  u64 callers_seen = 0;
  const bool whole = batch.for_each(batch.first_sequence(), [&](const BatchRecord& record) {
    callers_seen += from_caller(record.header().site);
    if (record.sequence < taken_) return true;
    status = take(batch, record, catalog);
    return status.ok();
  });
  if (!status.ok()) return status;
  if (!whole && taken_ < batch.next_sequence()) {
    const u64 from = std::max(taken_, batch.first_sequence());
    status = skip(from, batch.next_sequence() - from);
    if (!status.ok()) return status;
    counts_.dropped_error +=
        batch.header().callers - std::min<u64>(callers_seen, batch.header().callers);
    taken_ = batch.next_sequence();
  }
  return {};
}

void SegmentSink::define(const BatchView& batch) {
  const BatchHeader& header = batch.header();
  if (header.ticks != clock_ticks_) {
    clock_ticks_ = header.ticks;
    writer_->define_clock(
        {header.ticks, header.wall_ns, header.ns_per_tick_2_32, header.clock_epoch});
  }
  for (u32 i = 0; i < header.threads; ++i) {
    const BatchThread thread = batch.thread(i);
    writer_->define_thread(
        {thread.slot, thread.generation, thread.tid, std::string(field_text(thread.name))});
  }
}

bool SegmentSink::passes(const BatchView& batch, const BatchRecord& record, back::Catalog& catalog,
                         const Site* site) const {
  if (filter_.passes_all() || site == nullptr) return true;  // damage is never filtered
  if (!from_caller(record.header().site)) return filter_.passes_engine();
  if (!filter_.passes_level(*site)) return false;
  if (!filter_.needs_logger()) return true;
  return !catalog.describe(batch, record) || filter_.passes(*site, catalog.entry().logger);
}

Status SegmentSink::skip(u64 sequence, u64 count) {
  const u64 end = sequence + count;
  if (end <= stored_end_) return {};
  sequence = std::max(sequence, stored_end_);
  return writer_->skip(sequence, end - sequence);
}

Status SegmentSink::take(const BatchView& batch, const BatchRecord& record,
                         back::Catalog& catalog) {
  const u32 site_id = record.header().site;
  const bool caller = from_caller(site_id);
  const Site* const site = site_id < kSiteFirstCaller ? nullptr : catalog.site(site_id);
  back::SinkCounts counts;
  Status status;
  if (!passes(batch, record, catalog, site_id < kSiteFirstCaller ? catalog.site(site_id) : site)) {
    counts.filtered = caller;
    status = skip(record.sequence, 1);
  } else {
    counts.delivered = caller;
    if (record.sequence >= stored_end_) {
      if (site_id == kSiteDropReport && record.bytes.size() >= kRecordHeaderBytes + 8) {
        // Its readers want to know which call site that is.
        const auto about = load<u64>(record.bytes.data() + kRecordHeaderBytes);
        const Site* const named =
            about >= kSiteFirstCaller && about < kSiteIdMax ? catalog.site(u32(about)) : nullptr;
        if (named != nullptr) writer_->define_site(*named);
      }
      const NamedSites::Rewritten out = named_sites_.rewrite(record.bytes, site, catalog);
      status = writer_->append(record.sequence, out.bytes, out.site);
    }
    if (status.error_class() == ErrorClass::kFatal) {
      // A record that no segment can hold: only from a damaged region.
      counts = {.dropped_error = caller};
      status = skip(record.sequence, 1);
    }
  }
  if (!status.ok()) return status;
  counts_.delivered += counts.delivered;
  counts_.filtered += counts.filtered;
  counts_.dropped_error += counts.dropped_error;
  taken_ = record.sequence + 1;
  return {};
}

Status SegmentSink::flush(bool durable) {
  if (!writer_) return {};
  return durable ? writer_->sync() : writer_->flush();
}

Status SegmentSink::close() { return writer_ ? writer_->seal() : Status(); }

}  // namespace sluice::sink
