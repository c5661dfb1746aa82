// sluice::Uploader: checks what it is asked for, and a handle on the engine.
#include <algorithm>
#include <utility>

#include "os/os_error.h"
#include "os/process.h"
#include "upload/directory_bucket.h"
#include "upload/engine.h"
#include "upload/open_bucket.h"

namespace sluice {
inline namespace v1 {
namespace {

using upload::BucketOptions;
using upload::Destination;

constexpr u32 kStopMs = 5000;
constexpr u32 kFilesAtOnceMax = 64;
constexpr u32 kQueueMax = 1'000'000;
constexpr u64 kSecondsMax = u64{100} * 366 * 86'400;

std::string mistakes_in(const UploadOptions& options) {
  std::string text;
  const auto mistake = [&text](std::string_view what) {
    if (!text.empty()) text += "\n";
    text += what;
  };
  if (options.files_at_once == 0 || options.files_at_once > kFilesAtOnceMax) {
    mistake("files_at_once is from 1 to 64");
  }
  if (options.queue_files == 0 || options.queue_files > kQueueMax) {
    mistake("queue_files is from 1 to 1000000");
  }
  if (options.parts_at_once == 0) mistake("parts_at_once is at least 1");
  if (options.part_bytes == 0) mistake("part_bytes is at least 1");
  if (options.scan_interval_ms == 0) mistake("scan_interval_ms is at least 1");
  if (options.timeout_ms == 0) mistake("timeout_ms is at least 1");
  if (options.backoff_ms > options.backoff_ms_max) {
    mistake("backoff_ms is at most backoff_ms_max");
  }
  if ((options.keep_seconds > 0 || options.keep_bytes > 0) && !options.keep) {
    mistake("keep_seconds and keep_bytes are for files that are kept: set keep");
  }
  if (options.keep_seconds > kSecondsMax) mistake("keep_seconds is at most a hundred years");
  return text;
}

std::string resolved(std::string_view path) { return os::resolved_path(std::string(path)); }

// The directory, without links; and that nothing is sent onto itself.
Result<std::string> source_directory(std::string_view directory, const Destination& to) {
  std::string path = resolved(directory);
  os::FileInfo info;
  const int stated = path.empty() ? -ENOENT : os::real_io().stat_followed(path.c_str(), info);
  if (stated < 0 || !info.directory) {
    return failed(ErrorClass::kFatal, directory.empty() ? "the directory" : directory,
                  "cannot be looked through", stated < 0 ? stated : -ENOTDIR);
  }
  if (!to.directory().empty() && resolved(to.directory()) == path) {
    return fatal(path + ": is where the files are; upload to another directory");
  }
  return path;
}

// Both mistakes at once.
Result<Destination> destination_of(std::string_view to, const UploadOptions& options) {
  std::string mistakes = mistakes_in(options);
  Result<Destination> destination =
      Destination::parse(to, upload::endpoint_of(to, options.endpoint));
  if (!destination.ok()) {
    mistakes += (mistakes.empty() ? "" : "\n") + destination.status().message();
  }
  if (!mistakes.empty()) return fatal(std::move(mistakes));
  return destination;
}

Result<std::unique_ptr<upload::Bucket>> bucket_of(const Destination& to,
                                                  const UploadOptions& options) {
  if (!to.directory().empty()) {
    return std::unique_ptr<upload::Bucket>(
        std::make_unique<upload::DirectoryBucket>(os::real_io(), to.directory()));
  }
  BucketOptions of_bucket;
  of_bucket.part_bytes = options.part_bytes;
  of_bucket.parts_at_once = options.parts_at_once;
  of_bucket.timeout_ms = options.timeout_ms;
  of_bucket.endpoint = options.endpoint;
  of_bucket.ca_file = options.ca_file;
  of_bucket.google_hmac = options.google_hmac;
  return upload::open_bucket(to.bucket(), of_bucket);
}

}  // namespace

// A forked child must not destroy the engine, whose threads it does not have.
struct Uploader::Impl {
  Impl(upload::Parts parts, const UploadOptions& options)
      : engine(std::make_unique<upload::Engine>(std::move(parts), options)) {}
  ~Impl() {
    if (engine->is_ours()) {
      (void)engine->stop(kStopMs);
    } else {
      (void)engine.release();
    }
  }
  std::unique_ptr<upload::Engine> engine;
};

Uploader::Uploader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Uploader::Uploader(Uploader&&) noexcept = default;
Uploader& Uploader::operator=(Uploader&&) noexcept = default;
Uploader::~Uploader() = default;

Result<Uploader> Uploader::start(std::string_view directory, std::string_view to,
                                 const UploadOptions& options) {
  auto destination = destination_of(to, options);
  if (!destination.ok()) return destination.status();
  auto source = source_directory(directory, destination.value());
  if (!source.ok()) return source.status();
  auto bucket = bucket_of(destination.value(), options);
  if (!bucket.ok()) return bucket.status();
  os::Io& io = os::real_io();
  auto log = upload::UploadLog::open(io, source.value());
  if (!log.ok()) return log.status();
  upload::Parts parts{
      io, std::move(destination.value()), std::move(bucket.value()), std::move(log.value()),
      std::make_unique<upload::Scan>(io, source.value(), options.files, options.settle_ms)};
  return Uploader(std::make_unique<Impl>(std::move(parts), options));
}

Result<std::vector<PlannedUpload>> Uploader::plan(std::string_view directory, std::string_view to,
                                                  const UploadOptions& options) {
  auto destination = destination_of(to, options);
  if (!destination.ok()) return destination.status();
  auto source = source_directory(directory, destination.value());
  if (!source.ok()) return source.status();
  os::Io& io = os::real_io();
  const auto known = upload::UploadLog::peek(io, source.value());
  upload::Scan scan(io, source.value(), options.files, options.settle_ms);
  const auto layout =
      options.layout == UploadLayout::hive ? upload::Layout::kHive : upload::Layout::kFlat;
  std::vector<PlannedUpload> plan;
  auto look = scan.look(~std::size_t{0}, [](const upload::FoundFile&) { return false; });
  if (!look.ok()) return look.status();
  for (const upload::FoundFile& found : look.value().files) {
    const auto object = destination.value().object_for(layout, found.name, found.info.modified_ns,
                                                       upload::name_ending(options.compress));
    PlannedUpload planned{found.name, object.ok() ? object.value() : std::string(), found.info.size,
                          object.status().message()};
    const auto entry = known.find(destination.value().key_of(planned.object));
    const bool done =
        entry != known.end() && entry->second.done && entry->second.file.is(found.info);
    if (!done) plan.push_back(std::move(planned));
  }
  return plan;
}

bool Uploader::drain(std::uint32_t timeout_ms) { return impl_->engine->drain(timeout_ms); }
bool Uploader::stop(std::uint32_t deadline_ms) { return impl_->engine->stop(deadline_ms); }
UploadStatistics Uploader::statistics() const { return impl_->engine->statistics(); }

}  // namespace v1
}  // namespace sluice
