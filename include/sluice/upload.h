// Uploads: every finished file of a directory into a bucket, once, verified, then removed here.
//
//     auto uploader = sluice::Uploader::start("data", "gs://my-bucket/logs").value();
//     ...                                             // streams write and rotate in "data"
//     uploader.drain(60'000);                         // all that is finished now
//     uploader.stop();
//
// In a directory of streams (sluice/stream.h) the finished files of its streams are sent, those
// that killed writers left too; in any other directory the files that no longer change. The store
// must agree on size and checksum before a file is removed. An object that is there is never
// written over: with the same content it counts as sent, with other content the file is parked.
//
// A file `.upload` in the directory remembers what was begun and done: after a restart or a kill
// the work goes on, and nothing is sent twice. One uploader a directory.
//
// Link sluice::upload. Threading: thread-safe, but for moving and destruction; a handle. Errors: a
// Status. A forked child has no uploader. docs/uploads.md tells more.
#ifndef SLUICE_UPLOAD_H_
#define SLUICE_UPLOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/api.h"
#include "sluice/status.h"

namespace sluice {
inline namespace v1 {

enum class UploadLayout : std::uint8_t {
  flat,  // PREFIX/FILE
  hive,  // PREFIX/event=EVENT/date=YYYY-MM-DD/hour=HH/FILE
};

// Names end with .gz or .zst then.
enum class UploadCompression : std::uint8_t { none, gzip, zstd };

enum class UploadStep : std::uint8_t {
  sealed,     // the file of a writer that died is finished
  begun,      // a file is being sent
  retrying,   // an attempt failed; the next is after wait_ms
  uploaded,   // the store has it, verified
  there,      // the same: it had it already
  later,      // given up for now; it stays queued
  parked,     // not tried again before the next start, or before the file changes
  discarded,  // removed here without being uploaded: disk_bytes said so
};

// What happens to a file. The texts live as long as the call.
struct UploadEvent {
  UploadStep step = UploadStep::begun;
  std::string_view file;    // its name in the directory
  std::string_view object;  // its name in the bucket, where known
  std::string_view why;     // what is wrong; empty: nothing
  std::uint64_t bytes = 0;  // of the file
  std::uint64_t wait_ms = 0;
  double took_ms = 0;
};

struct UploadOptions {
  UploadLayout layout = UploadLayout::flat;
  UploadCompression compress = UploadCompression::none;
  std::string files = {};            // names in a directory without streams: "*.log"; empty: all
  std::uint32_t settle_ms = 10'000;  // such a file is finished when it has not changed for so long
  bool keep = false;                 // files stay here when they are sent
  std::uint64_t keep_seconds = 0;    // with keep: until they are so old; 0: no bound
  std::uint64_t keep_bytes = 0;      // with keep: the oldest go while they have more together
  // All finished files together: the oldest go while they have more, those that are sent first,
  // then those that are not, which are lost, counted and said. 0: nothing is lost.
  std::uint64_t disk_bytes = 0;

  std::uint32_t files_at_once = 2;
  std::uint32_t queue_files = 100;  // known at once; more wait on the disk
  std::uint32_t retries = 3;        // after the first attempt; then the file is taken again later
  std::uint32_t backoff_ms = 1000;  // doubled by each attempt; the wait is a random part of it
  std::uint32_t backoff_ms_max = 64'000;
  std::uint32_t scan_interval_ms = 2000;

  std::uint64_t part_bytes = 32 << 20;  // larger objects go up in parts of so much
  std::uint32_t parts_at_once = 4;      // of one object
  std::uint32_t timeout_ms = 30'000;    // an attempt ends after so long without progress
  std::string endpoint = {};            // in place of the store's own: "http://127.0.0.1:9000"
  std::string ca_file = {};             // certificates to trust in place of the system's (PEM)

  bool google_hmac = false;  // gs:// with HMAC keys, by Google's XML interface

  // Called from the uploader's threads, one call at a time. Must not call the uploader, but for
  // statistics().
  std::function<void(const UploadEvent&)> on_event = {};
  bool quiet = false;  // problems are in events and statistics only, not on stderr
};

struct UploadStatistics {
  std::uint64_t files = 0;       // taken: successful, failed or in flight
  std::uint64_t successful = 0;  // in the bucket, verified
  std::uint64_t there = 0;       // of them: the bucket had them already
  std::uint64_t failed = 0;      // parked, for this run
  std::uint64_t conflicts = 0;   // of them: another object has the name
  std::uint64_t retries = 0;     // attempts after the first
  std::uint64_t later = 0;       // given up for now, waiting to be taken again
  std::uint64_t waiting = 0;     // finished and not begun, as of the last look
  std::uint64_t unsettled = 0;   // changed lately, as of the last look
  std::uint64_t in_flight = 0;
  std::uint64_t failed_looks = 0;  // at the directory, since the last that told what is there
  std::uint64_t sealed = 0;        // files of writers that died
  std::uint64_t removed = 0;       // kept files, later: keep_seconds, keep_bytes, disk_bytes
  std::uint64_t discarded = 0;     // files that disk_bytes removed before they were sent
  std::uint64_t bytes_discarded = 0;
  std::uint64_t bytes = 0;                 // of the successful files
  std::uint64_t bytes_sent = 0;            // by all attempts
  std::uint64_t bytes_waiting = 0;         // of the files that are known and not begun
  std::uint64_t bytes_in_flight = 0;       // of the files in flight
  std::uint64_t bytes_in_flight_done = 0;  // and what the store has of them
  double upload_ms_total = 0;              // of the successful files
  double upload_ms_min = 0;
  double upload_ms_max = 0;
  std::int64_t last_upload_ns = 0;  // since 1970; 0: none yet

  [[nodiscard]] double upload_ms_average() const {
    return successful == 0 ? 0 : upload_ms_total / static_cast<double>(successful);
  }
};

// What an uploader would do with a file.
struct PlannedUpload {
  std::string file;
  std::string object;
  std::uint64_t bytes = 0;
  std::string why_not;  // not empty: it would be parked
};

class SLUICE_API Uploader {
 public:
  // `to`: gs://bucket/prefix, s3://bucket/prefix, file:///dir, or a path. Watches the directory
  // from now on. kRetryable: another uploader works there; every mistake else is kFatal, or
  // kDisableSink when the store cannot be used (credentials).
  [[nodiscard]] static Result<Uploader> start(std::string_view directory, std::string_view to,
                                              const UploadOptions& options = {});
  // The files that would be sent now, the oldest first. Changes nothing, asks no store.
  [[nodiscard]] static Result<std::vector<PlannedUpload>> plan(std::string_view directory,
                                                               std::string_view to,
                                                               const UploadOptions& options = {});
  Uploader(Uploader&&) noexcept;
  Uploader& operator=(Uploader&&) noexcept;
  ~Uploader();  // stop(5000)

  // Looks at once, and waits until everything that is finished has been tried: true. False: not in
  // time, or stopped. What could not be sent is in statistics().
  bool drain(std::uint32_t timeout_ms);
  // Begins nothing more, waits for what is being sent until the deadline, then breaks it off; it
  // goes on at the next start. False: something was broken off.
  bool stop(std::uint32_t deadline_ms = 5000);

  [[nodiscard]] UploadStatistics statistics() const;

 private:
  struct Impl;
  explicit Uploader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_UPLOAD_H_
