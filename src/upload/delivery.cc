#include "upload/delivery.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "os/os_error.h"
#include "os/process.h"
#include "upload/file_crc.h"

namespace sluice::upload {
namespace {

// A store that asks to wait longer is asked again later, and other files are not kept waiting.
constexpr u64 kWaitMsMax = 64'000;

u64 random_number() {
  u64 bits = 0;
  os::random_bytes(&bits, sizeof bits);
  return bits;
}

Delivered ended(Fate fate, std::string why) {
  Delivered delivered;
  delivered.fate = fate;
  delivered.why = std::move(why);
  return delivered;
}

// Closes it, also when a test's Io ends the process.
class OpenFile {
 public:
  OpenFile(os::Io& io, const std::string& path) : io_(io), fd_(io.open(path.c_str(), os::kRead)) {}
  ~OpenFile() {
    if (fd_ >= 0) io_.close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  os::Io& io_;
  const int fd_;
};

// What the file is, its checksum with it, and what compression makes of it. Not ok: it cannot be
// read, or changes meanwhile.
Result<LocalFile> identify(os::Io& io, const FoundFile& found, const std::string& path, int fd,
                           const std::stop_token& stop, UploadCompression compress,
                           std::shared_ptr<const PackedFile>& packed) {
  LocalFile file{found.name, found.info.id(), found.info.size, found.info.modified_ns, 0};
  os::FileInfo before, after;
  int error = fd < 0 ? fd : io.stat_fd(fd, before);
  const bool was = error == 0 && file.is(before);
  if (was && compress != UploadCompression::none) {
    error = PackedFile::make(io, fd, file.size, compress, stop, packed);
    if (error == 0) file.crc32c = packed->unpacked_crc32c();
  } else if (was) {
    error = crc_of_file(io, fd, file.size, stop, file.crc32c);
  }
  if (was && error == 0) error = io.stat_fd(fd, after);
  if (was && error == 0 && file.is(after)) return file;
  if (error == 0 || error == -ENODATA) {
    return Status(ErrorClass::kRetryable, path + ": changes while it is read; it is not finished");
  }
  return failed(ErrorClass::kRetryable, path, "cannot be read", error);
}

}  // namespace

struct Delivery::Sending {
  const Attendant& attendant;
  const LocalFile file;
  const std::string object;
  const std::string key;
  Source source;
  u64 sent = 0;
  u32 attempts = 0;
};

Delivery::Delivery(os::Io& io, Bucket& bucket, UploadLog& log, Scan& scan,
                   const Destination& destination, DeliveryOptions options)
    : io_(io),
      bucket_(bucket),
      log_(log),
      scan_(scan),
      destination_(destination),
      options_(options) {}

Result<std::string> Delivery::object_of(const FoundFile& found) const {
  return destination_.object_for(options_.layout, found.name, found.info.modified_ns,
                                 name_ending(options_.compress));
}

std::optional<std::string> Delivery::key_of(const FoundFile& found) const {
  const auto object = object_of(found);
  if (!object.ok()) return {};
  return destination_.key_of(object.value());
}

bool Delivery::is_done(const FoundFile& found) const {
  const std::optional<std::string> key = key_of(found);
  const std::optional<Entry> entry = key ? log_.find(*key) : std::nullopt;
  return entry && entry->done && entry->file.is(found.info);
}

bool Delivery::is_settled(const FoundFile& found) const { return options_.keep && is_done(found); }

std::string Delivery::remove(const FoundFile& found) {
  const os::FileInfo& info = found.info;
  const LocalFile file{found.name, info.id(), info.size, info.modified_ns, 0};
  return remove_local(key_of(found).value_or(std::string()), file);
}

Delivered Delivery::deliver(const FoundFile& found, const Attendant& attendant) {
  const auto object = object_of(found);
  if (!object.ok()) return ended(Fate::kRefused, object.status().message());
  const std::string key = destination_.key_of(object.value());
  const std::optional<Entry> entry = log_.find(key);
  if (entry && entry->done && entry->file.is(found.info)) {
    std::string why = remove_local(key, entry->file);
    const Fate fate = why.empty() ? Fate::kRemoved : Fate::kLater;
    return ended(fate, std::move(why));
  }
  const std::string path = scan_.directory() + "/" + found.name;
  const OpenFile open(io_, path);
  if (open.fd() == -ENOENT) return ended(Fate::kRemoved, {});  // by somebody else
  Source source;
  const Result<LocalFile> file =
      identify(io_, found, path, open.fd(), attendant.stop, options_.compress, source.packed);
  if (!file.ok()) {
    const bool stopped = attendant.stop.stop_requested();
    return ended(stopped ? Fate::kStopped : Fate::kLater, file.status().message());
  }
  source.io = &io_;
  source.file = open.fd();
  source.size = source.packed ? source.packed->size() : file.value().size;
  source.crc32c = source.packed ? source.packed->crc32c() : file.value().crc32c;
  if (source.packed) source.content_type = source.packed->content_type();
  const SentBytes bytes{source.size, source.crc32c};
  Sending sending{attendant, file.value(), object.value(), key, std::move(source), 0, 0};
  // What was sent of the object were other bytes: its parts are of no use.
  const bool known = entry && entry->file == file.value() && entry->bytes == bytes;
  if (entry && !known) {
    if (entry->file == file.value()) {
      const Attempt there = was_sent_otherwise(sending, entry->bytes);
      if (there.outcome == Outcome::kStored) return finish(sending, Fate::kThere);
    }
    (void)forget_parts(sending);
  }
  if (!known) {
    if (Status status = log_.begin(key, file.value(), bytes); !status.ok()) {
      return ended(Fate::kLater, status.message());
    }
  }
  // What was begun may have arrived, only its answer or our note of it was lost.
  if (known) {
    const std::optional<Attempt> there = bucket_.same(sending.object, sending.source);
    if (there && there->outcome == Outcome::kStored) return finish(sending, Fate::kThere);
  }
  Delivered delivered = send(sending);
  delivered.object = sending.object;
  delivered.sent = sending.sent;
  delivered.attempts = sending.attempts;
  return delivered;
}

Delivered Delivery::send(Sending& sending) {
  for (;;) {
    if (sending.attendant.stop.stop_requested()) return ended(Fate::kStopped, {});
    Attempt got = attempt(sending);
    Fate fate = Fate::kUploaded;
    if (got.outcome == Outcome::kExists) {
      got = compare(sending);
      fate = Fate::kThere;
    }
    switch (got.outcome) {
      case Outcome::kStored:
        return finish(sending, fate);
      case Outcome::kExists:
        (void)forget_parts(sending);
        return ended(Fate::kConflict, std::move(got.why));
      case Outcome::kRefused:
        return ended(Fate::kRefused, std::move(got.why));
      case Outcome::kStopped:
        return ended(Fate::kStopped, std::move(got.why));
      case Outcome::kRetry:
        break;
    }
    if (sending.attempts > options_.retries) return ended(Fate::kLater, std::move(got.why));
    if (got.wait_ms > kWaitMsMax) {
      Delivered later = ended(Fate::kLater, std::move(got.why));
      later.wait_ms = std::min(got.wait_ms, kAskedMsMax);
      return later;
    }
    const u64 ms = options_.backoff.wait_ms(sending.attempts - 1, got.wait_ms, random_number());
    if (sending.attendant.retrying) sending.attendant.retrying(got.why, ms);
    if (!sending.attendant.wait(ms)) return ended(Fate::kStopped, std::move(got.why));
  }
}

// The same file, of which the compressor made other bytes then: they may have arrived.
Attempt Delivery::was_sent_otherwise(Sending& sending, SentBytes bytes) {
  Source then = sending.source;
  then.packed = nullptr;
  then.size = bytes.size;
  then.crc32c = bytes.crc32c;
  return bucket_.same(sending.object, then).value_or(Attempt());
}

Attempt Delivery::attempt(Sending& sending) {
  Progress progress;
  progress.stop = sending.attendant.stop;
  if (sending.attendant.at) {
    // Of the file, as everything that is told.
    const double scale = double(sending.file.size) / double(std::max<u64>(1, sending.source.size));
    progress.at = [&, scale](u64 bytes) { sending.attendant.at(u64(double(bytes) * scale)); };
  }
  progress.keep = [&](std::string_view memo) { return log_.keep_memo(sending.key, memo).ok(); };
  const std::optional<Entry> entry = log_.find(sending.key);
  ++sending.attempts;
  Attempt got =
      bucket_.put(sending.object, sending.source, entry ? entry->memo : std::string(), progress);
  sending.sent += got.sent;
  return got;
}

// Of an object that put() has found there.
Attempt Delivery::compare(Sending& sending) {
  std::optional<Attempt> there = bucket_.same(sending.object, sending.source);
  if (there) return std::move(*there);
  Attempt gone;
  gone.why = "an object of that name was there and is not any more";
  return gone;
}

// kRetry: they may still be there.
Attempt Delivery::forget_parts(Sending& sending) {
  const std::optional<Entry> entry = log_.find(sending.key);
  if (!entry || entry->memo.empty()) return {.outcome = Outcome::kStored};
  return bucket_.forget(sending.object, entry->memo);
}

// The store has it, verified.
Delivered Delivery::finish(Sending& sending, Fate fate) {
  if (fate == Fate::kThere) {
    Attempt forgotten = forget_parts(sending);
    if (forgotten.outcome == Outcome::kRetry) return ended(Fate::kLater, std::move(forgotten.why));
  }
  Delivered delivered = ended(fate, {});
  delivered.object = sending.object;
  if (Status status = log_.done(sending.key); !status.ok()) {
    return ended(Fate::kLater, status.message());
  }
  if (!options_.keep) delivered.why = remove_local(sending.key, sending.file);
  return delivered;
}

std::string Delivery::remove_local(const std::string& key, const LocalFile& file) {
  const std::string path = scan_.directory() + "/" + file.name;
  os::FileInfo info;
  int error = io_.stat(path.c_str(), info);
  if (error == 0 && !file.is(info)) return path + ": has changed since it was sent, and stays";
  if (error == 0) {
    if (Status status = scan_.before_removal(file.name); !status.ok()) return status.message();
    error = io_.unlink(path.c_str());
  }
  if (error < 0 && error != -ENOENT) {
    return failed(ErrorClass::kRetryable, path, "cannot be removed", error).message();
  }
  const std::optional<Entry> entry = log_.find(key);
  // With parts in the bucket: give_up_the_gone() sees to them.
  if (!entry || !entry->memo.empty()) return {};
  const Status forgotten = log_.forget(key);
  return forgotten.ok() ? std::string() : forgotten.message();
}

void Delivery::give_up_the_gone() {
  for (const auto& [key, entry] : log_.entries()) {
    os::FileInfo info;
    const std::string path = scan_.directory() + "/" + entry.file.name;
    if (io_.stat(path.c_str(), info) != -ENOENT) continue;
    if (!entry.memo.empty()) {
      const std::string_view object = destination_.object_of(key);
      if (object.empty()) continue;  // of another store: its next uploader does it
      const Attempt forgotten = bucket_.forget(std::string(object), entry.memo);
      if (forgotten.outcome != Outcome::kStored) continue;
    }
    (void)log_.forget(key);  // kept if that fails, and tried again at the next start
  }
}

}  // namespace sluice::upload
