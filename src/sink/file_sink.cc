#include "sink/file_sink.h"

#include <algorithm>
#include <utility>

namespace sluice::sink {
namespace {

Writer writer_of(const region::Region& region, const region::SinkEntry& entry) {
  Writer writer;
  std::copy_n(region.header().region_id, writer.region_id.size(), writer.region_id.begin());
  while (writer.sink < region::kSinksMax && &region.sink(writer.sink) != &entry) ++writer.sink;
  return writer;
}

// Once it has worked, a destination is not given up: whatever is wrong may be mended.
Status as_retryable(Status status) {
  if (status.error_class() != ErrorClass::kDisableSink) return status;
  return {ErrorClass::kRetryable, status.message(), status.os_error()};
}

// What check_config() has passed.
SharedLogOptions log_options(const back::SinkConfig& config, i64 (*unix_ns)()) {
  return {.path = config.path,
          .rotate_bytes = config.rotate_bytes,
          .rotation = {config.rotate_seconds, parse_time_of_day(config.rotate_at).value()},
          .keep = {config.keep_files, config.keep_seconds, config.keep_bytes},
          .compress = config.compress,
          .unix_ns = unix_ns};
}

}  // namespace

FileSink::FileSink(const back::SinkConfig& config, os::Io& io, std::unique_ptr<LineFormat> format,
                   i64 (*unix_ns)())
    : name_(config.path),
      format_(std::move(format)),
      selection_(config),
      log_(io, log_options(config, unix_ns)) {}

Status FileSink::open(const back::Catalog& catalog, back::Cursor& cursor) {
  text_.reset();
  area_.reset();
  log_.set_writer(writer_of(catalog.region(), cursor.entry()));
  area_.emplace(catalog.region(), cursor.entry());
  text_.emplace(area_->space());
  if (area_->armed()) {
    Status status = resume(cursor);
    if (!status.ok()) return status;
  }
  const SharedLog::Hold hold(log_);  // makes the file, or says why it cannot be made
  if (hold.status().ok()) log_.prune();
  return hold.status();
}

Status FileSink::resume(back::Cursor& cursor) {
  const SharedLog::Hold hold(log_);
  if (!hold.status().ok()) return hold.status();
  if (area_->next_sequence() <= cursor.sequence()) {
    area_->disarm();
    log_.forget_settled();
    return {};
  }
  IntentPlace place = area_->place();
  if (place.attempt != 0) {
    const Result<u64> kept = kept_bytes(place);
    if (!kept.ok()) return kept.status();
    log_.keep(area_->text().substr(area_->keeps_text() ? place.from : 0,
                                   area_->keeps_text() ? kept.value() : 0));
    place = {.from = place.from + kept.value()};
    area_->move(place);
  }
  if (!area_->keeps_text() && place.from < area_->text_bytes()) {
    // Nothing of it is in the file: the record is rendered again.
    area_->disarm();
    log_.forget_settled();
    return {};
  }
  Status status = deliver(area_->text(), cursor);
  if (status.ok()) log_.forget_settled();
  return status;
}

Result<u64> FileSink::kept_bytes(const IntentPlace& place) {
  Result<std::optional<u64>> kept = log_.settled(place);
  if (!kept.ok()) return kept.status();
  if (kept.value()) return *kept.value();
  const std::string_view text =
      area_->keeps_text() ? area_->text().substr(place.from, place.bytes) : std::string_view();
  kept = log_.compare(place, text, area_->text_crc());
  if (!kept.ok()) return kept.status();
  if (!kept.value()) {
    report_ = log_.path() + ": the file of an interrupted write is gone; up to " +
              std::to_string(place.bytes) + " bytes of lines may stand in it and are written again";
    return u64{0};
  }
  return *kept.value();
}

Status FileSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  Status status;
  if (area_->armed()) status = resume(cursor);
  if (status.ok()) status = write_batches(batches, catalog, cursor);
  if (status.ok() && report_.empty()) report_ = log_.take_report();
  if (status.ok() && !report_.empty()) {
    return {ErrorClass::kRetryable, std::exchange(report_, {})};
  }
  return as_retryable(std::move(status));
}

Status FileSink::write_batches(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  text_->clear();
  counts_ = {};
  if (missed_now_ > 0) {
    (void)format_->append(selection_.gap(catalog, name_, missed_now_, missed_in_all_), *text_);
  }
  Status status;
  const auto take = [&](const Item& item) {
    if (!format_->append(item.entry, *text_)) {
      status = write_group(item.sequence, cursor);
      if (!status.ok()) return false;
      (void)format_->append(item.entry, *text_);  // an empty buffer takes any record
    }
    counts_.delivered += item.counts.delivered;
    counts_.dropped_error += item.counts.dropped_error;
    return true;
  };
  const u64 from = cursor.sequence();
  for (const BatchView& batch : batches) {
    if (!selection_.walk(batch, catalog, from, counts_.filtered, take)) return status;
  }
  return write_group(batches.back().next_sequence(), cursor);
}

Status FileSink::write_group(u64 next_sequence, back::Cursor& cursor) {
  const std::string_view text = text_->text();
  if (text.empty()) {
    if (next_sequence <= cursor.sequence()) return {};
    // Nothing to write: the intent only keeps the counters exact.
    area_->arm(text, cursor.sequence(), next_sequence, counts_);
    cursor.passed(next_sequence, counts_);
    area_->disarm();
    counts_ = {};
    return {};
  }
  const SharedLog::Hold hold(log_);
  if (!hold.status().ok()) return hold.status();
  area_->arm(text, cursor.sequence(), next_sequence, counts_);
  missed_now_ = 0;
  Status status = deliver(text, cursor);
  text_->clear();
  counts_ = {};
  return status;
}

Status FileSink::deliver(std::string_view text, back::Cursor& cursor) {
  for (u64 from = area_->place().from; from < text.size();) {
    Result<IntentPlace> next = log_.next_place(text.substr(from));
    if (!next.ok()) return next.status();
    IntentPlace& place = next.value();
    place.attempt = area_->new_attempt();
    place.from = from;
    Status status = log_.note(place);
    if (!status.ok()) return status;
    area_->move(place);
    status = log_.write(place, text.substr(from, place.bytes));
    if (!status.ok()) return status;
    from += place.bytes;
    area_->move({.from = from});
  }
  finish(cursor);
  return {};
}

void FileSink::finish(back::Cursor& cursor) {
  const u64 next_sequence = area_->next_sequence();
  if (next_sequence > cursor.sequence()) cursor.passed(next_sequence, area_->missing_counts());
  area_->disarm();
  log_.clear_note();
}

Status FileSink::write_gap(u64 missed_now, u64 missed_in_all) {
  missed_now_ += missed_now;
  missed_in_all_ = missed_in_all;
  return {};
}

i64 FileSink::upkeep() { return area_->armed() ? -1 : log_.upkeep(); }

Status FileSink::close() {
  log_.stop_packing();
  return {};
}

Status FileSink::flush(bool durable) { return durable ? log_.sync() : Status(); }

}  // namespace sluice::sink
