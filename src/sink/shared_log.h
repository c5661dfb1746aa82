// A log file of whole lines that any number of writers append to, each holding the lock for a
// batch.
//
//   {
//     SharedLog::Hold hold(log);                 // lock; settle what a dead writer left; open
//     if (!hold.status().ok()) return hold.status();
//     place = log.next_place(text);              // rotates when the file is full
//     log.note(place); ...; log.write(place, text); ...; log.clear_note();
//   }
//
// What a failure leaves: write() cuts the file back to whole lines, and settled() then tells how
// many bytes of the attempt it kept. The caller goes on behind them. EIO and the like finish the
// file: the next Hold gives it a number and goes on in a new one. After a failed fsync the lines
// not yet durable are written again to the new file, as far as kKeptMax bytes in memory hold them.
//
// Threading: single-owner. Blocking: as the disk, and up to LockFile::kWaitNs for the lock.
#ifndef SLUICE_SRC_SINK_SHARED_LOG_H_
#define SLUICE_SRC_SINK_SHARED_LOG_H_

#include <optional>
#include <string>
#include <string_view>

#include "os/process.h"
#include "sink/file_packer.h"
#include "sink/intent_area.h"
#include "sink/lock_file.h"
#include "sink/log_file.h"
#include "sink/rotation_time.h"

namespace sluice::sink {

struct SharedLogOptions {
  std::string path;
  u64 rotate_bytes = 0;  // 0: never
  RotationTime rotation{};
  Keep keep{};
  bool compress = false;  // rotated files, in upkeep()
  i64 (*unix_ns)() = os::wall_ns;
};

class SharedLog {
 public:
  static constexpr std::size_t kKeptMax = std::size_t{1} << 20;

  SharedLog(os::Io& io, const SharedLogOptions& options);

  void set_writer(const Writer& writer) { writer_ = writer; }

  // The lock, from construction to destruction, with the file open.
  class Hold {
   public:
    explicit Hold(SharedLog& log) : log_(log), status_(log.begin()) {}
    ~Hold() { log_.lock_.release(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    [[nodiscard]] const Status& status() const { return status_; }

   private:
    SharedLog& log_;
    Status status_;
  };

  // All of the following while held, but sync(), upkeep() and take_report().

  // Where the first whole lines of `text` go (file, start, bytes); rotates when the file has no
  // room for one more, or its time has come.
  Result<IntentPlace> next_place(std::string_view text);
  // Announces a write. To be called before the first byte and before the place is stored.
  Status note(const IntentPlace& place);
  Status write(const IntentPlace& place, std::string_view bytes);
  // The lines are in the file. A note that cannot be cleared is settled by the next holder.
  void clear_note() { (void)lock_.clear_note(); }

  // How many bytes of an interrupted attempt the log kept; nullopt when nobody settled it.
  Result<std::optional<u64>> settled(const IntentPlace& place);
  // The same by comparing the file with what was to be written, for when the lock file was lost.
  // `text`: the attempt's bytes, empty when they are not kept (then `crc` decides). nullopt: the
  // file is not there any more.
  Result<std::optional<u64>> compare(const IntentPlace& place, std::string_view text, u32 crc);
  void forget_settled() { (void)lock_.forget(writer_); }
  // Bytes that were found in the file after all: they are not durable yet.
  void keep(std::string_view text);

  // Makes what was written durable. kRotate: it failed, the file was finished and its lines are
  // written again; call once more.
  Status sync();

  // Removes rotated files that are not to be kept. Done at each rotation too.
  void prune();

  // While nothing is written: finishes the file when its time has come, removes those that have got
  // too old, packs the next piece of a rotated one. After how long it wants to be called again, -1:
  // not before the next write.
  [[nodiscard]] i64 upkeep();

  void stop_packing() { packer_.give_up(); }

  // Something went wrong that stopped nothing: said once. Empty: nothing.
  [[nodiscard]] std::string take_report() { return std::exchange(report_, {}); }
  [[nodiscard]] const std::string& path() const { return file_.name().path(); }

 private:
  Status begin();
  Status settle(WriteNote note);
  Status ready();
  Status open();
  Status end_line();
  Status replace_spoiled();
  Status write_again();
  Status rotate();
  [[nodiscard]] i64 keep_time();
  [[nodiscard]] i64 pack();
  [[nodiscard]] int pack_some();
  [[nodiscard]] bool is_due();
  void time_file(i64 now);
  [[nodiscard]] i64 begin_of_file(i64 now);
  void sync_former();
  void sync_failed(int error);
  void spoil();
  [[nodiscard]] u64 fitting(std::string_view text) const;

  os::Io& io_;
  const SharedLogOptions options_;
  Writer writer_;
  LockFile lock_;
  LogFile file_;
  u64 end_ = ~u64{0};  // of the file as we left it; ~0: not known

  // A file that is to be finished, and when: a broken disk must not fill up with new files.
  bool spoiled_ = false;
  os::FileId spoiled_file_;
  i64 next_replacement_ns_ = 0;
  i64 replacement_pause_ns_ = 0;

  os::FileId timed_file_;
  i64 began_ns_ = 0;  // of that file
  i64 due_ns_;
  i64 expires_ns_;  // when the oldest rotated file is to be removed

  std::string kept_;        // lines not known to be durable
  bool undurable_ = false;  // there are such lines, kept or not
  u64 bytes_let_go_ = 0;    // of these, not in kept_
  bool write_again_ = false;
  u64 again_attempt_ = u64{1} << 63;  // apart from those of intents
  bool rotation_fails_ = false;       // and that has been said
  bool pruning_fails_ = false;        // the same
  bool packing_fails_ = false;        // the same

  FilePacker packer_;
  i64 next_pack_ns_;  // monotonic
  std::string report_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_SHARED_LOG_H_
