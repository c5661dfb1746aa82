// The one writer of a store in this process: records into rows, a transaction at a time.
//
//   begin() ; add(entry)... ; commit(next_sequence)     or    roll_back()
//
// The place in the journal is stored in the same transaction as the rows before it, so a record is
// in the store once, whatever is killed. Nothing is remembered across a transaction that failed:
// the caller adds the same records again.
//
// Threading: single-owner. Blocking: as the disk; begin() waits up to kLockWaitNs for other writers.
// Errors: kRetryable (locked, full, input and output), kRotate (the file is damaged: set_aside() and
// open again), kFatal (it is no store of ours).
#ifndef SLUICE_SRC_STORE_WRITER_H_
#define SLUICE_SRC_STORE_WRITER_H_

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "os/io.h"
#include "record/entry.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/site_cache.h"
#include "store/schema.h"
#include "store/sqlite.h"

namespace sluice::storage {

using RunKey = std::array<u8, 16>;  // the region's id

struct WriterOptions {
  std::string path;
  bool sync_each_commit = false;  // synchronous=FULL: a commit survives loss of power
};

class Writer {
 public:
  static constexpr i64 kLockWaitNs = 250'000'000;

  // Opens the file, makes it and its tables when they are not there.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> open(const WriterOptions& options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Whose records come from now on. Returns the sequence to go on from: 0 when it is new here.
  [[nodiscard]] Result<u64> use_run(const RunKey& key, const RunInfo& run, i64 started_ns);

  // Takes the write lock. A fork waits until commit() or roll_back().
  [[nodiscard]] Status begin();
  Status add(const Entry& entry);
  Status commit(u64 next_sequence);
  void roll_back();

  // Makes what is committed survive a loss of power, without sync_each_commit too: syncs the
  // write-ahead log.
  Status sync(os::Io& io);

 private:
  struct KnownSite;

  Writer();
  Status prepare();
  [[nodiscard]] Result<u64> find_run(const RunKey& key, const RunInfo& run, i64 started_ns);
  Status look_for_columns();
  Status add_record(const Entry& entry, KnownSite& site);
  Status add_point(const Entry& entry, KnownSite& site);
  Status add_state(const Entry& entry, KnownSite& site);
  Status add_track(const Entry& entry, KnownSite& site);
  Status add_param(const Entry& entry, KnownSite& site);
  Status add_file(const Entry& entry, KnownSite& site);
  Status note_end(const Entry& entry);
  [[nodiscard]] Result<i64> id_of_site(const Entry& entry);
  [[nodiscard]] Result<i64> id_of_series(const Entry& entry, KnownSite& site);
  // Texts of the record that is being added; valid until the next clear of text_.
  [[nodiscard]] std::string_view body_of(const Entry& entry, KnownSite& site);
  [[nodiscard]] std::string_view fields_of(const Entry& entry, const KnownSite& site);
  [[nodiscard]] std::string_view context_of(const Entry& entry);
  void bind_custom_columns(const Entry& entry);
  void forget_ids();

  std::unique_ptr<Connection> connection_;
  std::optional<DatabaseUse> transaction_;  // from begin() on
  i64 run_ = 0;
  i64 first_record_ = 0;  // of this transaction; 0: none yet
  i64 last_record_ = 0;
  i64 schema_cookie_ = -1;
  std::vector<CustomColumn> columns_;
  SiteCache<KnownSite> sites_;
  std::unordered_map<std::string, i64> series_;
  std::string series_key_;
  TextBuffer body_, fields_, context_;
  std::vector<std::string> column_texts_;

  Statement begin_, commit_, rollback_;
  Statement insert_record_, insert_point_, insert_state_, insert_track_, insert_param_,
      insert_file_;
  Statement insert_site_, find_site_, insert_series_, find_series_;
  Statement merge_state_, move_cursor_, note_records_, note_end_;
};

// kFatal when something stands at `path` that will never be a store: another program's database, or
// a store of a newer version. What is not there, locked or damaged is no mistake.
Status check_file(const std::string& path);

// A file that is damaged goes out of the way, with what belongs to it; returns its new name. When
// another process has done that already, nothing is moved and the name is empty.
[[nodiscard]] Result<std::string> set_aside(const std::string& path);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_WRITER_H_
