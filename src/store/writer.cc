#include "store/writer.h"

#include <cerrno>

#include "os/process.h"

namespace sluice::storage {
namespace {

constexpr i64 kLockNapNs = 1'000'000;

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
       "INSERT INTO cursors(run, next_sequence) VALUES(?1, ?2)"
       " ON CONFLICT(run) DO UPDATE SET next_sequence = ?2");
  make(note_records_,
       "UPDATE runs SET first_record = coalesce(first_record, ?2), last_record = ?3 WHERE id = ?1");
  rows_ = std::make_unique<Rows>(*connection_);
  return status.ok() ? rows_->prepare() : status;
}

Result<u64> Writer::use_run(const RunKey& key, const RunInfo& run, i64 started_ns) {
  Status status = begin();
  if (!status.ok()) return status;
  Result<u64> next = find_run(key, run, started_ns);
  if (next.ok()) {
    status = commit_.run();
    transaction_.reset();
    if (status.ok()) return next;
    next = status;
  }
  roll_back();
  return next;
}

Result<u64> Writer::find_run(const RunKey& key, const RunInfo& run, i64 started_ns) {
  const ByteView id{reinterpret_cast<const std::byte*>(key.data()), key.size()};
  Result<Statement> insert = connection_->prepare(
      "INSERT OR IGNORE INTO runs(region, run_id, product, version, host, pid, started_ns)"
      " VALUES(?, ?, ?, ?, ?, ?, ?)");
  if (!insert.ok()) return insert.status();
  const std::string texts[] = {
      escaped(TextForm::kStored, run.run_id), escaped(TextForm::kStored, run.product),
      escaped(TextForm::kStored, run.version), escaped(TextForm::kStored, run.host)};
  insert.value().bind(1, id);
  for (int i = 0; i < 4; ++i) insert.value().bind(2 + i, std::string_view(texts[i]));
  insert.value().bind(6, i64(run.pid));
  insert.value().bind(7, started_ns);
  const Status inserted = insert.value().run();
  if (!inserted.ok()) return inserted;
  Result<Statement> find = connection_->prepare(
      "SELECT id, coalesce(next_sequence, 0) FROM runs LEFT JOIN cursors ON run = id"
      " WHERE region = ?");
  if (!find.ok()) return find.status();
  find.value().bind(1, id);
  const Result<bool> row = find.value().step();
  if (!row.ok()) return row.status();
  run_ = find.value().integer(0);
  return u64(find.value().integer(1));
}

Status Writer::begin() {
  const i64 until = os::monotonic_ns() + kLockWaitNs;
  for (;;) {
    transaction_.emplace();
    Status status = begin_.run();
    if (status.ok()) {
      status = rows_->begin(run_);
      if (status.ok()) return status;
      roll_back();
    }
    transaction_.reset();  // a fork may come while others hold the lock
    const bool locked = status.error_class() == ErrorClass::kRetryable;
    if (!locked || os::monotonic_ns() >= until) return status;
    os::sleep_ns(kLockNapNs);
  }
}

Status Writer::commit(u64 next_sequence) {
  Status status;
  if (rows_->last_record() != 0) {
    note_records_.bind(1, run_);
    note_records_.bind(2, rows_->first_record());
    note_records_.bind(3, rows_->last_record());
    status = note_records_.run();
  }
  if (status.ok()) {
    move_cursor_.bind(1, run_);
    move_cursor_.bind(2, i64(next_sequence));
    status = move_cursor_.run();
  }
  if (status.ok()) status = commit_.run();
  if (status.ok()) transaction_.reset();
  return status;
}

void Writer::roll_back() {
  if (connection_->in_transaction()) (void)rollback_.run();
  rows_->forget();
  transaction_.reset();
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
