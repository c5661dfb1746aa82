// A place for objects: what the uploader asks of Google Cloud Storage, of S3, and of a directory.
//
// A Bucket makes one attempt and says what became of it; when to try again, and what a conflict
// means, is the uploader's. Every call may block on the network, up to the timeouts of its options.
//
// Threading: several threads may call one Bucket at once, each for an object of its own.
#ifndef SLUICE_SRC_UPLOAD_BUCKET_H_
#define SLUICE_SRC_UPLOAD_BUCKET_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "os/io.h"
#include "os/read_at.h"
#include "upload/packed_file.h"

namespace sluice::upload {

// The bytes of one object. Whoever asks keeps the file open and unchanged for the call.
struct Source {
  int file = -1;
  u64 size = 0;    // of the object, as crc32c
  u32 crc32c = 0;  // of all of it
  std::string content_type = "application/octet-stream";
  std::shared_ptr<const PackedFile> packed = {};  // null: the object is the file, byte for byte
  os::Io* io = &os::real_io();

  // Of the object's bytes, for one thread; not longer than this.
  [[nodiscard]] os::ReadAt reader() const {
    if (packed) return packed->reader(*io, file);
    return [this](void* to, std::size_t bytes, u64 at) {
      return os::pread_all(*io, file, to, bytes, at);
    };
  }
};

enum class Outcome {
  kStored,   // it is there, and the store's answer agrees in size and checksum
  kExists,   // an object of that name is there, with other content as far as is known
  kRetry,    // may succeed later: the network, 408, 429, 5xx
  kRefused,  // will not get better by itself: credentials, no such bucket, a bad name
  kStopped,  // the stop token asked
};

struct Attempt {
  Outcome outcome = Outcome::kRetry;
  std::string why =
      {};           // for a person: what, where, how to mend it; empty when stored. Never a secret
  u64 wait_ms = 0;  // what the store asked to wait (Retry-After); 0: it said nothing
  u64 sent = 0;     // bytes of the body that went out in this attempt
};

// What the uploader lends to an attempt.
struct Progress {
  std::stop_token stop;
  // How much of the object the store has; called from any thread of the attempt. May be empty.
  std::function<void(u64 bytes)> at;
  // Keeps what the next attempt, perhaps of another process, needs to go on (a session, an id of a
  // multipart upload): false when it could not be kept, and then nothing is begun with it. Secret.
  std::function<bool(std::string_view memo)> keep;
};

class Bucket {
 public:
  virtual ~Bucket() = default;

  // One attempt to create the object, and only if there is none of that name. `memo`: what `keep`
  // got last for this object and these very bytes, or empty. After a lost answer the object may be
  // there: see same().
  virtual Attempt put(const std::string& name, const Source& source, std::string_view memo,
                      const Progress& progress) = 0;
  // Compares what is stored under that name with the source: kStored when size and checksum agree,
  // kExists when they do not, kRetry and kRefused as ever. No value: there is no such object.
  virtual std::optional<Attempt> same(const std::string& name, const Source& source) = 0;
  // Gives up an unfinished attempt: its session or parts are removed from the store. Without them
  // it is well, too.
  virtual Attempt forget(const std::string& name, std::string_view memo) = 0;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_BUCKET_H_
