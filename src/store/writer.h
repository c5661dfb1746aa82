// The one writer of a store in this process: records into rows, a transaction at a time.
//
//   begin() ; add(entry)... ; commit(next_sequence)     or    roll_back()
//
// The place in the journal is stored in the same transaction as the rows before it, and only goes
// forward, so a record is in the store once, whatever is killed, and though two processes store the
// same run. Nothing is remembered across a transaction that failed: the caller adds the same
// records again.
//
// Threading: single-owner. Blocking: as the disk; begin() waits kLockWaitNs for other writers.
// Errors: kRetryable (locked, full, input and output), kRotate (the file is damaged: see
// store/file.h), kFatal (of open(): it is no store of ours; of add(): the table does not take it).
#ifndef SLUICE_SRC_STORE_WRITER_H_
#define SLUICE_SRC_STORE_WRITER_H_

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "os/io.h"
#include "store/prune.h"
#include "store/rows.h"
#include "store/text_index.h"

namespace sluice::storage {

using RunKey = std::array<u8, 16>;  // the region's id

// How far a run is stored: what comes before `sequence`, of which callers wrote `callers` records.
struct RunPlace {
  static constexpr u64 kUnknown = ~u64{0};
  u64 sequence = 0;
  u64 callers = kUnknown;
};

struct WriterOptions {
  std::string path;
  bool sync_each_commit = false;  // synchronous=FULL: a commit survives loss of power
};

class Writer {
 public:
  static constexpr i64 kLockWaitNs = 250'000'000;

  // Opens the file, makes it and its tables when they are not there.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> open(const WriterOptions& options);

  // Whose records come from now on. Returns the sequence to go on from: 0 when it is new here.
  // `began`: nothing before it is to be stored, nor missed.
  [[nodiscard]] Result<u64> use_run(const RunKey& key, const RunInfo& run, i64 started_ns,
                                    const RunPlace& began = {});

  // The same for a run that use_run() has told of before, without a transaction: the next begin()
  // finds its row again, or makes it anew. `id` and `place`: run() and place() then.
  void go_on_with(const RunKey& key, const RunInfo& run, i64 started_ns, i64 id,
                  const RunPlace& place);
  // The sites of earlier entries are gone from memory.
  void forget_sites() { rows_->forget(); }

  // Takes the write lock. A fork waits until commit() or roll_back().
  [[nodiscard]] Status begin();
  // From begin() on: how far the run is stored, whoever has done it. What comes before is not to be
  // added again.
  [[nodiscard]] const RunPlace& place() const { return place_; }
  // From begin() on: records of callers between that and a batch, which were overwritten in the
  // journal before anybody stored them.
  [[nodiscard]] u64 missed_before(u64 first_sequence, u64 callers_before) const {
    return first_sequence > place_.sequence && callers_before > place_.callers
               ? callers_before - place_.callers
               : 0;
  }
  Status add(const Entry& entry) { return rows_->add(entry); }
  // `callers`: records of callers before `next_sequence`. A place that lies further stays.
  Status commit(u64 next_sequence, u64 callers = RunPlace::kUnknown);
  void roll_back();

  // For rows that are no records (store/restore.h), between begin() and commit().
  [[nodiscard]] Connection& connection() { return *connection_; }
  [[nodiscard]] i64 run() const { return run_; }
  // Steps in begin() when others may have committed: runs, sites and series, whose ids were found
  // before, may have gone.
  [[nodiscard]] u64 others() const { return others_; }

  // Takes the oldest rows out as `keep` says, a step at a time, between transactions: one step of
  // store/prune.h. True: there is more to do now.
  void keep_to(const Keep& keep);
  [[nodiscard]] Result<bool> prune_step(i64 wall_ns);

  // Brings the full-text index up to date, between transactions: one step of store/text_index.h.
  // True: there is more to do now.
  [[nodiscard]] Result<bool> index_step();

  // Makes what is committed survive a loss of power, without sync_each_commit too: syncs the
  // write-ahead log.
  Status sync(os::Io& io);

 private:
  Writer() = default;
  Status prepare();
  Status look_at_others();
  void leave_others_a_turn();
  [[nodiscard]] Result<u64> find_run();
  u64 take_place(const Statement& row, int column);

  std::unique_ptr<Connection> connection_;
  std::optional<DatabaseUse> transaction_;  // from begin() on
  RunKey key_ = {};
  RunInfo info_;
  i64 started_ns_ = 0;
  i64 run_ = 0;
  RunPlace place_;
  bool look_for_run_ = false;
  i64 data_version_ = 0;
  u64 others_ = 0;
  i64 committed_ns_ = 0;
  i64 turn_began_ns_ = 0;
  std::unique_ptr<Rows> rows_;
  std::unique_ptr<Pruner> pruner_;
  std::unique_ptr<TextIndexer> indexer_;
  Statement begin_, commit_, rollback_, move_cursor_, note_records_, version_, find_place_;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_WRITER_H_
