// The store: records as rows of an SQLite database, a transaction for every group of batches, or
// several when it would be long.
//
// The place in the journal is stored in the same transaction, so that after a kill, or a commit
// that failed, every record is there once. A locked file, a full disk, an error of the disk: the
// group is kept in the journal and tried again. A damaged file is set aside under another name,
// which is said, and a new one started.
//
// Where bounds are set (age, rows, bytes), the oldest rows are taken out in steps of milliseconds
// between the transactions (store/prune.h), as many as it takes to keep up with what comes in.
//
// With `full_text` the messages are indexed while there is nothing to write, a step at a time
// (store/text_index.h).
//
// Threading: single-owner. Blocking: as the disk and as other writers of the file, 250 ms at a
// time.
#ifndef SLUICE_SRC_SINK_STORE_SINK_H_
#define SLUICE_SRC_SINK_STORE_SINK_H_

#include <memory>
#include <string>

#include "back/sink.h"
#include "sink/selection.h"
#include "store/writer.h"

namespace sluice::sink {

class StoreSink final : public back::Sink {
 public:
  // `io` must outlive it.
  StoreSink(const back::SinkConfig& config, os::Io& io);
  ~StoreSink() override;

  Status open(const back::Catalog& catalog, back::Cursor& cursor) override;
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  // What was missed the store knows itself, whoever wrote to it before (Writer::missed_before()).
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool durable) override;
  i64 upkeep() override;
  Status close() override;
  [[nodiscard]] bool can_be_durable() const override { return true; }

 private:
  Status open_store(const back::Catalog& catalog, back::Cursor& cursor);
  Status write_rows(Batches batches, back::Catalog& catalog, back::Cursor& cursor);
  void prune(i64 time_ns);
  // After how many nanoseconds there is more to do; -1: nothing.
  i64 index_text();
  // A failure of a work of its own is said with the next write(), and once.
  void note_trouble(const Status& status, const char* what, std::string& said_last);
  Status replace_damaged(const back::Catalog& catalog, back::Cursor& cursor, Status damage);

  os::Io& io_;
  const storage::WriterOptions options_;
  const u64 commit_records_;
  const bool private_file_;
  const bool is_collectors_;  // it stores in a collector's stead
  const bool full_text_;
  Selection selection_;
  std::unique_ptr<storage::Writer> writer_;
  const storage::Keep keep_;
  i64 next_prune_ns_ = 0;
  i64 transaction_began_ns_ = 0;
  bool pruning_ = false;                       // there is more to take out now
  std::string prune_trouble_, index_trouble_;  // as they were said last
  std::string refused_;                        // why a record was not taken; said once a write
  u64 missed_ = 0;                             // told, by this sink
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_STORE_SINK_H_
