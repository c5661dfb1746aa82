// The way of one file: checksum, attempts, verified, written down as done, removed here.
//
// Each step is written down or can be found out again, so that after a kill between any two of them
// the file is neither sent a second time nor removed before the store has it:
//
//   seen        its checksum is computed, and `begin` written: from now on the store is asked first
//   attempts    what the store needs to go on is kept as a memo before it is used; it is used only
//               if the bytes to send are those that it was kept for
//   verified    put() or same() said kStored: size and checksum agree
//   done        written and synced; only then
//   removed     the file here, if it is still the one that was sent; the entry goes
//
// An object that is there is compared: the same content is success, other content is a conflict;
// nothing is ever written over.
//
// Threading: several deliveries at once, of different files. Blocking: as the disk, the store and
// the waits between attempts. Failure: a Fate, and a sentence.
#ifndef SLUICE_SRC_UPLOAD_DELIVERY_H_
#define SLUICE_SRC_UPLOAD_DELIVERY_H_

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "os/io.h"
#include "upload/backoff.h"
#include "upload/bucket.h"
#include "upload/destination.h"
#include "upload/scan.h"
#include "upload/upload_log.h"

namespace sluice::upload {

enum class Fate {
  kUploaded,  // the store has it, verified
  kThere,     // the store had it already
  kRemoved,   // it was done before; what was left to do was to remove it here
  kLater,     // not now
  kConflict,  // an object with other content has its name
  kRefused,   // will not get better by itself
  kStopped,
};

struct Delivered {
  Fate fate = Fate::kLater;
  std::string object;
  std::string why;  // empty: all is well
  u64 wait_ms = 0;  // kLater: not before, as the store asked
  u64 sent = 0;     // bytes of bodies, of all attempts
  u32 attempts = 0;

  [[nodiscard]] bool is_there() const { return fate == Fate::kUploaded || fate == Fate::kThere; }
};

struct DeliveryOptions {
  Layout layout = Layout::kFlat;
  UploadCompression compress = UploadCompression::none;
  bool keep = false;  // the file here stays
  u32 retries = 3;    // after the first attempt
  Backoff backoff = {};
};

// What a delivery needs from whoever runs it, while it runs.
struct Attendant {
  std::stop_token stop;
  // False: do not go on.
  std::function<bool(u64 ms)> wait;
  // An attempt failed, and another comes after so long.
  std::function<void(const std::string& why, u64 wait_ms)> retrying;
  // How much the store has.
  std::function<void(u64 bytes)> at;
};

class Delivery {
 public:
  // All of them must outlive it.
  Delivery(os::Io& io, Bucket& bucket, UploadLog& log, Scan& scan, const Destination& destination,
           DeliveryOptions options);

  [[nodiscard]] Delivered deliver(const FoundFile& found, const Attendant& attendant);
  // Whether there is nothing to do for this file.
  [[nodiscard]] bool is_settled(const FoundFile& found) const;
  // Whether the store has it, and it is kept here.
  [[nodiscard]] bool is_done(const FoundFile& found) const;
  // Removes a file that is_done(), or one that is not, which is lost then. Empty: it has gone.
  [[nodiscard]] std::string remove(const FoundFile& found);
  // Gives up what was begun for files that are not there any more: their parts are removed from the
  // store, their entries from the log. What cannot be done now is left for the next time.
  void give_up_the_gone();

 private:
  struct Sending;

  [[nodiscard]] Result<std::string> object_of(const FoundFile& found) const;
  Attempt was_sent_otherwise(Sending& sending, SentBytes bytes);
  Delivered send(Sending& sending);
  Attempt attempt(Sending& sending);
  Attempt compare(Sending& sending);
  Attempt forget_parts(Sending& sending);
  Delivered finish(Sending& sending, Fate fate);
  // Empty: the file has gone.
  [[nodiscard]] std::string remove_local(const std::string& key, const LocalFile& file);
  // Nothing: no store takes such a name.
  [[nodiscard]] std::optional<std::string> key_of(const FoundFile& found) const;

  os::Io& io_;
  Bucket& bucket_;
  UploadLog& log_;
  Scan& scan_;
  const Destination& destination_;
  const DeliveryOptions options_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_DELIVERY_H_
