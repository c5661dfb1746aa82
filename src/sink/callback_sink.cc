#include "sink/callback_sink.h"

#include <exception>
#include <utility>

namespace sluice::sink {

namespace {

// A record that is nothing but a text, as the program gave it.
std::string_view raw_text(const Entry& entry) {
  const RecordView& record = entry.record;
  const u32 first = record.first_visible();
  if (entry.site.format != "{}" || first >= record.arguments()) return {};
  const Value value = record.value(first);
  return value.type == ArgType::kString ? value.text : std::string_view{};
}

}  // namespace

Status CallbackSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  for (const BatchView& batch : batches) {
    Status status = write_batch(batch, catalog, cursor);
    if (!status.ok()) return status;
  }
  return {};
}

Status CallbackSink::write_batch(const BatchView& batch, back::Catalog& catalog,
                                 back::Cursor& cursor) {
  if (missed_now_ > 0) {
    call(selection_.gap(catalog, "callback", std::exchange(missed_now_, 0), missed_in_all_));
  }
  u64 filtered = 0;
  const auto take = [&](const Item& item) {
    call(item.entry);
    back::SinkCounts counts = item.counts;
    counts.filtered = std::exchange(filtered, 0);
    cursor.passed(item.next_sequence, counts);
    return true;
  };
  (void)selection_.walk(batch, catalog, cursor.sequence(), filtered, take);
  if (cursor.sequence() < batch.next_sequence()) {
    cursor.passed(batch.next_sequence(), {.filtered = filtered});
  }
  if (report_.empty()) return {};
  return {ErrorClass::kRetryable, std::exchange(report_, {})};
}

void CallbackSink::call(const Entry& entry) {
  json_text_.clear();
  (void)json_.append(entry, json_text_);
  std::string_view json = json_text_.text();
  if (json.ends_with('\n')) json.remove_suffix(1);
  const CallbackRecord record{.unix_ns = entry.wall_ns,
                              .sequence = entry.sequence,
                              .level = entry.site.level,
                              .thread_id = entry.thread.tid,
                              .logger = entry.logger,
                              .message = message_.of(entry),
                              .json = json,
                              .raw = raw_text(entry)};
  std::string what = "an exception of an unknown type";
  try {
    function_(record, user_);
    return;
  } catch (const std::exception& thrown) {
    what = thrown.what();
  } catch (...) {
  }
  if (exceptions_++ == 0) {
    report_ = "the callback threw: " + what + "; further exceptions are only counted";
  }
}

Status CallbackSink::write_gap(u64 missed_now, u64 missed_in_all) {
  missed_now_ += missed_now;
  missed_in_all_ = missed_in_all;
  return {};
}

}  // namespace sluice::sink
