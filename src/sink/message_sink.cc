#include "sink/message_sink.h"

#include <algorithm>
#include <utility>

namespace sluice::sink {

MessageSink::MessageSink(const back::SinkConfig& config, os::Io& io)
    : name_(config.path),
      format_(config.kind == SinkKind::syslog ? make_syslog_format(config.facility)
                                              : make_journal_format(config.facility)),
      selection_(config),
      receiver_(config, io) {}

Status MessageSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  for (const BatchView& batch : batches) {
    Status status = write_batch(batch, catalog, cursor);
    if (!status.ok()) return status;
  }
  std::string report = receiver_.take_report();
  if (!report.empty()) return {ErrorClass::kRetryable, std::move(report)};
  return {};
}

Status MessageSink::write_batch(const BatchView& batch, back::Catalog& catalog,
                                back::Cursor& cursor) {
  // A message that was under way comes first, whatever has become of its batch.
  Status status = deliver(cursor);
  if (status.ok() && missed_now_ > 0) {
    (void)format_->append(
        selection_.gap(catalog, name_, std::exchange(missed_now_, 0), missed_in_all_), text_);
    next_sequence_ = cursor.sequence();
    status = deliver(cursor);
  }
  if (!status.ok()) return status;
  u64 filtered = 0;
  const auto take = [&](const Item& item) {
    (void)format_->append(item.entry, text_);
    counts_ = item.counts;
    counts_.filtered = std::exchange(filtered, 0);
    next_sequence_ = item.next_sequence;
    status = deliver(cursor);
    return status.ok();
  };
  if (!selection_.walk(batch, catalog, cursor.sequence(), filtered, take)) return status;
  if (cursor.sequence() < batch.next_sequence()) {
    cursor.passed(batch.next_sequence(), {.filtered = filtered});
  }
  return {};
}

Status MessageSink::deliver(back::Cursor& cursor) {
  if (text_.empty()) return {};
  Status status = receiver_.send(text_.text());
  if (!status.ok()) return status;
  text_.clear();
  // The runner may have gone on without us.
  cursor.passed(std::max(next_sequence_, cursor.sequence()), std::exchange(counts_, {}));
  return {};
}

Status MessageSink::write_gap(u64 missed_now, u64 missed_in_all) {
  missed_now_ += missed_now;
  missed_in_all_ = missed_in_all;
  counts_ = {};  // the message under way is sent yet, but is one of those that were missed
  return {};
}

}  // namespace sluice::sink
