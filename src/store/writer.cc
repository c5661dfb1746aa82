#include "store/writer.h"

#include <cerrno>

#include "os/process.h"

namespace sluice::storage {
namespace {

constexpr i64 kTurnNs = 100'000'000;  // so long it writes without a pause
constexpr i64 kBreakNs = 4 * kLockNapNs;

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(const WriterOptions& options) {
  const DatabaseUse use;
  Result<std::unique_ptr<Connection>> connection = Connection::open(options.path, Access::kCreate);
  if (!connection.ok()) return connection.status();
  std::unique_ptr<Writer> writer(new Writer);
  writer->connection_ = std::move(connection.value());
  Connection& db = *writer->connection_;
  sqlite3_busy_timeout(db.get(), int(kLockWaitNs / 1'000'000));
  Status status = make_schema(db);
  if (status.ok()) {
    status = db.run(std::string("PRAGMA synchronous = ") +
                    (options.sync_each_commit ? "FULL" : "NORMAL") +
                    "; PRAGMA cache_size = -65536; PRAGMA foreign_keys = ON;"
                    "PRAGMA journal_size_limit = 67108864");
  }
  if (status.ok()) status = writer->prepare();
  // From here on others are waited for outside of SQLite, where a fork may come.
  sqlite3_busy_timeout(db.get(), 0);
  if (!status.ok()) return status;
  return writer;
}

Status Writer::prepare() {
  Status status;
  const auto make = [&](Statement& to, std::string_view sql) {
    if (status.ok()) status = connection_->prepare_into(to, sql);
  };
  make(begin_, "BEGIN IMMEDIATE");
  make(commit_, "COMMIT");
  make(rollback_, "ROLLBACK");
  make(move_cursor_,
       "INSERT INTO cursors(run, next_sequence, callers) VALUES(?1, ?2, ?3)"
       " ON CONFLICT(run) DO UPDATE SET next_sequence = ?2, callers = ?3");
  make(note_records_,
       "UPDATE runs SET first_record = coalesce(first_record, ?2), last_record = ?3 WHERE id = ?1");
  make(version_, "PRAGMA data_version");
  make(find_place_,
       "SELECT coalesce(next_sequence, 0), callers FROM runs LEFT JOIN cursors ON run = id"
       " WHERE id = ?1 AND region = ?2");
  rows_ = std::make_unique<Rows>(*connection_);
  return status.ok() ? rows_->prepare() : status;
}

Result<u64> Writer::use_run(const RunKey& key, const RunInfo& run, i64 started_ns,
                            const RunPlace& began) {
  key_ = key;
  info_ = run;
  started_ns_ = started_ns;
  place_ = began;
  run_ = 0;
  Status status = begin();
  if (!status.ok()) return status;
  Result<u64> next = find_run();
  if (next.ok()) {
    status = commit_.run();
    transaction_.reset();
    if (status.ok()) return next;
    next = status;
  }
  roll_back();
  return next;
}

void Writer::go_on_with(const RunKey& key, const RunInfo& run, i64 started_ns, i64 id,
                        const RunPlace& place) {
  key_ = key;
  info_ = run;
  started_ns_ = started_ns;
  place_ = place;
  run_ = id;
  look_for_run_ = true;
}

Result<u64> Writer::find_run() {
  const ByteView id{reinterpret_cast<const std::byte*>(key_.data()), key_.size()};
  // Not the id of a run whose row others have deleted and whose place in the journal is left: what
  // comes before that place would pass for stored. Above the highest id there is none: then SQLite
  // chooses one.
  Result<Statement> insert = connection_->prepare(
      "INSERT OR IGNORE INTO runs(region, run_id, product, version, host, pid, started_ns, id)"
      " VALUES(?, ?, ?, ?, ?, ?, ?, 1 + nullif(max(coalesce((SELECT max(id) FROM runs), 0),"
      " coalesce((SELECT max(run) FROM cursors), 0)), 9223372036854775807))");
  if (!insert.ok()) return insert.status();
  const std::string texts[] = {
      escaped(TextForm::kStored, info_.run_id), escaped(TextForm::kStored, info_.product),
      escaped(TextForm::kStored, info_.version), escaped(TextForm::kStored, info_.host)};
  insert.value().bind(1, id);
  for (int i = 0; i < 4; ++i) insert.value().bind(2 + i, std::string_view(texts[i]));
  insert.value().bind(6, i64(info_.pid));
  insert.value().bind(7, started_ns_);
  const Status inserted = insert.value().run();
  if (!inserted.ok()) return inserted;
  Result<Statement> find = connection_->prepare(
      "SELECT id, coalesce(next_sequence, 0), callers FROM runs LEFT JOIN cursors ON run = id"
      " WHERE region = ?");
  if (!find.ok()) return find.status();
  find.value().bind(1, id);
  const Result<bool> row = find.value().step();
  if (!row.ok()) return row.status();
  run_ = find.value().integer(0);
  if (pruner_) pruner_->spare_run(run_);
  return take_place(find.value(), 1);
}

// Whoever has stored the run has got further than we knew, or than where we began.
u64 Writer::take_place(const Statement& row, int column) {
  const u64 sequence = u64(row.integer(column));
  if (sequence > place_.sequence) {
    place_.sequence = sequence;
    place_.callers = row.is_null(column + 1) ? RunPlace::kUnknown : u64(row.integer(column + 1));
  }
  return sequence;
}

// What others have committed meanwhile may have taken away what we know the ids of: pruning does.
// Or it is of our run.
Status Writer::look_at_others() {
  const Result<bool> row = version_.step();
  if (!row.ok()) return row.status();
  const i64 version = version_.integer(0);
  version_.reset();
  if (version == data_version_ && !look_for_run_) return {};
  if (version != data_version_) {
    ++others_;
    rows_->forget_ids();
  }
  data_version_ = version;
  look_for_run_ = false;
  if (run_ == 0) return {};
  find_place_.bind(1, run_);
  find_place_.bind(2, ByteView{reinterpret_cast<const std::byte*>(key_.data()), key_.size()});
  const Result<bool> there = find_place_.step();
  if (!there.ok()) return there.status();
  if (there.value()) (void)take_place(find_place_, 0);
  find_place_.reset();
  return there.value() ? Status() : find_run().status();
}

void Writer::leave_others_a_turn() {
  const i64 now = os::monotonic_ns();
  if (now - committed_ns_ > kBreakNs) turn_began_ns_ = now;
  if (now - turn_began_ns_ < kTurnNs) return;
  os::sleep_ns(kBreakNs);
  turn_began_ns_ = os::monotonic_ns();
}

Status Writer::begin() {
  leave_others_a_turn();
  const i64 until = os::monotonic_ns() + kLockWaitNs;
  for (;;) {
    transaction_.emplace();
    Status status = begin_.run();
    if (status.ok()) {
      status = look_at_others();
      if (status.ok()) status = rows_->begin(run_);
      if (status.ok()) return status;
      roll_back();
    }
    transaction_.reset();  // a fork may come while others hold the lock
    const bool locked = status.error_class() == ErrorClass::kRetryable;
    if (!locked || os::monotonic_ns() >= until) return status;
    os::sleep_ns(kLockNapNs);
  }
}

Status Writer::commit(u64 next_sequence, u64 callers) {
  Status status;
  const RunPlace reached{next_sequence, callers};
  const RunPlace& place = next_sequence > place_.sequence ? reached : place_;
  if (rows_->last_record() != 0) {
    note_records_.bind(1, run_);
    note_records_.bind(2, rows_->first_record());
    note_records_.bind(3, rows_->last_record());
    status = note_records_.run();
  }
  if (status.ok()) {
    move_cursor_.bind(1, run_);
    move_cursor_.bind(2, i64(place.sequence));
    place.callers == RunPlace::kUnknown ? move_cursor_.bind_null(3)
                                        : move_cursor_.bind(3, i64(place.callers));
    status = move_cursor_.run();
  }
  if (status.ok()) status = commit_.run();
  if (status.ok()) {
    transaction_.reset();
    place_ = RunPlace(place);
    committed_ns_ = os::monotonic_ns();
  }
  return status;
}

void Writer::roll_back() {
  if (connection_->in_transaction()) (void)rollback_.run();
  rows_->forget();
  data_version_ = -1;
  transaction_.reset();
}

void Writer::keep_to(const Keep& keep) {
  pruner_ =
      keep.any() ? std::make_unique<Pruner>(*connection_, keep, Pruner::Way::kPolicy) : nullptr;
  if (pruner_) pruner_->spare_run(run_);
}

Result<bool> Writer::prune_step(i64 wall_ns) {
  if (!pruner_) return false;
  const PruneCounts before = pruner_->counts();
  const Result<bool> more = pruner_->step(wall_ns);
  const PruneCounts& now = pruner_->counts();
  if (now.sites != before.sites || now.series != before.series) rows_->forget_ids();
  return more;
}

Result<bool> Writer::index_step() {
  if (!indexer_) indexer_ = std::make_unique<TextIndexer>(*connection_);
  return indexer_->step();
}

Status Writer::sync(os::Io& io) {
  // SQLite keeps no lock on this file, so closing another descriptor of it loses none.
  const std::string path = connection_->path() + "-wal";
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd == -ENOENT) return {};  // everything is in the database file, and was synced on its way
  int error = fd;
  if (fd >= 0) {
    error = io.sync_data(fd);
    io.close(fd);
  }
  if (error >= 0) return {};
  return {ErrorClass::kRetryable, path + ": cannot sync: " + os::error_text(error), -error};
}

}  // namespace sluice::storage
