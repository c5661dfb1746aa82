#include "sink/store_sink.h"

#include <algorithm>
#include <utility>

#include "sink/os_error.h"
#include "store/file.h"

namespace sluice::sink {
namespace {

storage::RunKey run_key(const region::Region& region) {
  storage::RunKey key;
  std::copy_n(region.header().region_id, key.size(), key.begin());
  return key;
}

}  // namespace

StoreSink::StoreSink(const back::SinkConfig& config, os::Io& io)
    : io_(io),
      options_{.path = config.path, .sync_each_commit = config.sync_each_commit},
      commit_records_(std::max<u64>(config.commit_records, 1)),
      private_file_(config.private_file),
      selection_(config) {}

StoreSink::~StoreSink() = default;

Status StoreSink::open(const back::Catalog& catalog, back::Cursor& cursor) {
  writer_.reset();
  const std::string directory = options_.path.substr(0, options_.path.rfind('/'));
  const int made = make_directories(io_, directory.empty() ? "/" : directory);
  if (made < 0) {
    return failed(class_of_open_error(made), directory, "cannot make the directory", made);
  }
  Result<std::unique_ptr<storage::Writer>> writer = storage::Writer::open(options_);
  if (!writer.ok()) {
    if (writer.status().error_class() == ErrorClass::kRotate) {
      return replace_damaged(catalog, cursor, writer.status());
    }
    return writer.status();
  }
  const Result<u64> next = writer.value()->use_run(run_key(catalog.region()), catalog.run(),
                                                   catalog.region().header().start_wall_ns);
  if (!next.ok()) {
    if (next.status().error_class() == ErrorClass::kRotate) {
      writer.value().reset();
      return replace_damaged(catalog, cursor, next.status());
    }
    return next.status();
  }
  // A commit that a kill kept from being told. Its counters are told once too few, not its rows.
  if (next.value() > cursor.sequence()) cursor.passed(next.value(), {});
  writer_ = std::move(writer.value());
  return {};
}

Status StoreSink::replace_damaged(const back::Catalog& catalog, back::Cursor& cursor,
                                  Status damage) {
  writer_.reset();
  const Result<std::string> aside = storage::set_aside(options_.path);
  if (!aside.ok()) return aside.status();
  if (aside.value().empty()) return {ErrorClass::kRetryable, damage.message()};
  const Status again = open(catalog, cursor);
  return {ErrorClass::kRetryable,
          damage.message() + "; the damaged file is now " + aside.value() + ", and a new one " +
              (again.ok() ? "is started" : "cannot be started: " + again.message())};
}

Status StoreSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  if (!writer_) {
    Status status = open(catalog, cursor);
    if (!status.ok()) return status;
  }
  Status status = write_rows(batches, catalog, cursor);
  if (status.ok() && !refused_.empty()) {
    return {ErrorClass::kRetryable, "records were dropped: " + std::exchange(refused_, {})};
  }
  if (status.ok()) return status;
  writer_->roll_back();
  if (status.error_class() == ErrorClass::kRotate) {
    return replace_damaged(catalog, cursor, std::move(status));
  }
  // Whatever else it is, somebody may mend it while the journal holds the records.
  return {ErrorClass::kRetryable, status.message(), status.os_error()};
}

Status StoreSink::write_rows(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  Status status = writer_->begin();
  if (!status.ok()) return status;
  back::SinkCounts counts;
  u64 rows = 0;
  if (missed_now_ > 0) {
    status = writer_->add(selection_.gap(catalog, options_.path, missed_now_, missed_in_all_));
    if (!status.ok()) return status;
  }
  const auto commit = [&](u64 next_sequence) {
    status = writer_->commit(next_sequence);
    if (!status.ok()) return false;
    cursor.passed(next_sequence, std::exchange(counts, {}));
    missed_now_ = 0;
    rows = 0;
    return true;
  };
  const auto take = [&](const Item& item) {
    if (rows == commit_records_) {
      if (!commit(item.sequence)) return false;
      status = writer_->begin();
      if (!status.ok()) return false;
    }
    status = writer_->add(item.entry);
    ++rows;
    if (status.error_class() == ErrorClass::kFatal) {
      // A trigger or an index of the user's refuses it, and always will.
      refused_ = std::exchange(status, {}).message();
      counts.dropped_error += item.counts.delivered + item.counts.dropped_error;
      return true;
    }
    if (!status.ok()) return false;
    counts.delivered += item.counts.delivered;
    counts.dropped_error += item.counts.dropped_error;
    return true;
  };
  const u64 from = cursor.sequence();
  for (const BatchView& batch : batches) {
    if (!selection_.walk(batch, catalog, from, counts.filtered, take)) return status;
  }
  commit(batches.back().next_sequence());
  return status;
}

Status StoreSink::write_gap(u64 missed_now, u64 missed_in_all) {
  missed_now_ += missed_now;
  missed_in_all_ = missed_in_all;
  return {};
}

Status StoreSink::flush(bool durable) {
  return durable && writer_ && !private_file_ ? writer_->sync(io_) : Status();
}

Status StoreSink::close() {
  writer_.reset();
  if (private_file_) {
    for (const char* const suffix : {"", "-wal", "-shm"}) {
      (void)io_.unlink((options_.path + suffix).c_str());
    }
  }
  return {};
}

}  // namespace sluice::sink
