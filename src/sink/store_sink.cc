#include "sink/store_sink.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "os/os_error.h"
#include "os/process.h"
#include "sink/sink_table.h"
#include "store/file.h"

namespace sluice::sink {
namespace {

// Between two looks at the bounds; what may come in meanwhile is beyond them for that long.
constexpr i64 kLookEveryNs = 50'000'000;
// Without records: bounds are passed by time only.
constexpr i64 kIdleLookNs = 1'000'000'000;
// Between two steps of upkeep: others get the lock, for which they look every millisecond.
constexpr i64 kTurnNs = 3'000'000;
// What is too much is taken out after each transaction, for as long as that took: enough, since
// taking out a row is no dearer than putting one in. Transactions are short meanwhile, so that
// neither keeps the other waiting for long.
constexpr i64 kPruneMaxNs = 30'000'000;
constexpr u64 kPruningRecords = 1000;
// How long a transaction is gone on with: others wait for the file's lock, and how far the sink has
// got is told by its commits. Looked at every so many rows.
constexpr i64 kTransactionNs = 100'000'000;
constexpr u64 kLookEveryRows = 64;

storage::Keep keep_of(const back::SinkConfig& config) {
  constexpr u64 kSecondsMax = u64(INT64_MAX) / 1'000'000'000;
  storage::Keep keep;
  keep.age_ns = i64(std::min(config.keep_seconds, kSecondsMax) * 1'000'000'000);
  keep.rows = config.keep_rows;
  keep.bytes = config.keep_bytes;
  keep.whole_runs = config.keep_whole_runs;
  return keep;
}

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
      is_collectors_(config.name == kCollectorsPlace),
      full_text_(config.full_text),
      selection_(config),
      keep_(keep_of(config)) {}

StoreSink::~StoreSink() = default;

// What cannot be opened now, a collector may be able to some day: its records wait.
Status StoreSink::open(const back::Catalog& catalog, back::Cursor& cursor) {
  const Status status = open_store(catalog, cursor);
  const bool for_good = status.error_class() == ErrorClass::kFatal ||
                        status.error_class() == ErrorClass::kDisableSink;
  if (!is_collectors_ || !for_good) return status;
  return {ErrorClass::kRetryable, status.message(), status.os_error()};
}

Status StoreSink::open_store(const back::Catalog& catalog, back::Cursor& cursor) {
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
                                                   catalog.region().header().start_wall_ns,
                                                   {cursor.sequence(), cursor.callers()});
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
  writer_->keep_to(keep_);
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
  transaction_began_ns_ = os::monotonic_ns();
  Status status = write_rows(batches, catalog, cursor);
  if (status.ok()) {
    if (keep_.any()) prune(os::monotonic_ns() - transaction_began_ns_);
    if (!refused_.empty()) {
      return {ErrorClass::kRetryable, std::exchange(refused_, {})};
    }
    return status;
  }
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
  const BatchHeader& first = batches.front().header();
  const u64 missed = writer_->missed_before(first.first_sequence, first.callers_before);
  if (missed > 0) {
    status = writer_->add(selection_.gap(catalog, options_.path, missed, missed_ + missed));
    if (!status.ok()) return status;
  }
  bool is_said = false;
  const auto commit = [&](u64 next_sequence, u64 callers) {
    status = writer_->commit(next_sequence, callers);
    if (!status.ok()) return false;
    cursor.passed(next_sequence, std::exchange(counts, {}));
    if (!std::exchange(is_said, true)) missed_ += missed;
    rows = 0;
    return true;
  };
  const auto is_long = [&] {
    return rows == commit_records_ || (pruning_ && rows >= kPruningRecords) ||
           (rows > 0 && rows % kLookEveryRows == 0 &&
            os::monotonic_ns() - transaction_began_ns_ >= kTransactionNs);
  };
  const auto take = [&](const Item& item) {
    if (is_long()) {
      if (!commit(item.sequence, item.callers_before)) return false;
      if (pruning_) prune(os::monotonic_ns() - transaction_began_ns_);
      transaction_began_ns_ = os::monotonic_ns();
      status = writer_->begin();
      if (!status.ok()) return false;
    }
    if (item.sequence < writer_->place().sequence) return true;
    status = writer_->add(item.entry);
    ++rows;
    if (status.error_class() == ErrorClass::kFatal) {
      // A trigger or an index of the user's refuses it, and always will.
      refused_ = "records were dropped: " + std::exchange(status, {}).message();
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
  const BatchHeader& last = batches.back().header();
  commit(batches.back().next_sequence(), last.callers_before + last.callers);
  return status;
}

// One step at least; a step that has begun is finished.
void StoreSink::prune(i64 time_ns) {
  i64 now = os::monotonic_ns();
  const i64 until = now + std::min(time_ns, kPruneMaxNs) - storage::StepSize::kWorkNs / 2;
  if (!pruning_ && now < next_prune_ns_) return;
  do {
    const Result<bool> more = writer_->prune_step(os::wall_ns());
    now = os::monotonic_ns();
    pruning_ = more.ok() && more.value();
    note_trouble(more.status(), "cannot take out old rows: ", prune_trouble_);
  } while (pruning_ && now < until);
  next_prune_ns_ = now + kLookEveryNs;
}

void StoreSink::note_trouble(const Status& status, const char* what, std::string& said_last) {
  std::string said = status.ok() ? std::string() : what + status.message();
  if (!said.empty() && said != said_last) refused_ = said;
  said_last = std::move(said);
}

i64 StoreSink::index_text() {
  const Result<bool> more = writer_->index_step();
  // Others hold the lock: it waits.
  if (more.status().error_class() == ErrorClass::kRetryable) return kLookEveryNs;
  note_trouble(more.status(), "cannot index messages: ", index_trouble_);
  if (!more.ok()) return kIdleLookNs;
  return more.value() ? kTurnNs : -1;
}

i64 StoreSink::upkeep() {
  if (!writer_) return -1;
  i64 again_ns = -1;
  if (keep_.any()) {
    prune(0);
    again_ns = pruning_ ? kTurnNs : kIdleLookNs;
  }
  if (!full_text_ || pruning_) return again_ns;
  const i64 index_ns = index_text();
  return index_ns < 0 ? again_ns : again_ns < 0 ? index_ns : std::min(again_ns, index_ns);
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
