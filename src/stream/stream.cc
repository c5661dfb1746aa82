// sluice::Stream and sluice::StreamSet: handles on a core and on a set of them.
#include "sluice/stream.h"

#include <algorithm>
#include <utility>

#include "os/path.h"
#include "os/process.h"
#include "stream/set.h"

namespace sluice {
inline namespace v1 {
namespace {

using stream::Core;
using stream::Engine;
using stream::KeptMemory;

constexpr u32 kCloseMs = 5000;

Status mistakes_in(const StreamOptions& options) {
  std::string text;
  const auto mistake = [&text](std::string_view what) {
    if (!text.empty()) text += "\n";
    text += what;
  };
  if (options.buffer_bytes < stream::Pool::kBytesOf[0]) mistake("buffer_bytes is at least 65536");
  if (options.survive_kill && options.buffer_bytes > KeptMemory::kBytesMax) {
    mistake("buffer_bytes is at most 64 GiB with survive_kill");
  }
  if (options.shards == 0) mistake("shards is at least 1");
  if (options.batch_percent == 0 || options.batch_percent > 100) {
    mistake("batch_percent is from 1 to 100");
  }
  if (options.flush_interval_ms == 0) mistake("flush_interval_ms is at least 1");
  if (options.pool_bytes < stream::Pool::kBytesMin) mistake("pool_bytes is at least 1048576");
  return text.empty() ? Status() : fatal(std::move(text));
}

Result<std::shared_ptr<stream::Directory>> open_directory(std::string_view path) {
  return stream::Directory::open(os::real_io(), os::absolute_path(path.empty() ? "." : path));
}

FlushMetrics metrics_of(const Core::Times& times) {
  constexpr double kMs = 1e6;
  const double count = double(std::max<u64>(times.flushes, 1));
  const double flush = double(std::max<i64>(times.flush_ns, 1));
  return {.flushes = times.flushes,
          .flush_ms_average = double(times.flush_ns) / kMs / count,
          .flush_ms_max = double(times.flush_ns_max) / kMs,
          .write_ms_average = double(times.write_ns) / kMs / count,
          .write_ms_max = double(times.write_ns_max) / kMs,
          .pwritev_ms_average = double(times.pwritev_ns) / kMs / count,
          .pwritev_ms_max = double(times.pwritev_ns_max) / kMs,
          .write_share = double(times.write_ns) / flush,
          .pwritev_share = double(times.pwritev_ns) / flush};
}

}  // namespace

// The engine after the core: it ends when the last of them has gone, outside its own threads.
struct Stream::Impl {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<Core> core;

  ~Impl() {
    if (core && core->is_ours() && !core->is_over()) (void)core->close(kCloseMs);
    core.reset();
  }
};

Stream::Stream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Result<Stream> Stream::open(std::string_view directory, std::string_view name,
                            const StreamOptions& options) {
  if (Status status = mistakes_in(options); !status.ok()) return status;
  auto there = open_directory(directory);
  if (!there.ok()) return there.status();
  auto engine = Engine::shared(options.pool_bytes);
  if (!engine.ok()) return engine.status();
  auto core = engine.value()->open(there.value(), name, options);
  if (!core.ok()) return core.status();
  auto impl = std::make_shared<Impl>();
  impl->engine = std::move(engine.value());
  impl->core = std::move(core.value());
  return Stream(std::move(impl));
}

Admission Stream::write(std::string_view record) noexcept { return impl_->core->write(record); }
bool Stream::flush(std::uint32_t timeout_ms, Reach reach) {
  return impl_->core->flush(timeout_ms, reach > Reach::written, false);
}
bool Stream::rotate(std::uint32_t timeout_ms) {
  return impl_->core->flush(timeout_ms, false, true);
}
Status Stream::close(std::uint32_t timeout_ms) { return impl_->core->close(timeout_ms); }
StreamStatistics Stream::statistics() const { return impl_->core->statistics(); }
FlushMetrics Stream::flush_metrics() const { return metrics_of(impl_->core->times()); }
Status Stream::status() const { return impl_->core->status(); }
std::string Stream::path() const { return impl_->core->path(); }
std::size_t Stream::record_bytes_max() const { return impl_->core->record_bytes_max(); }

struct StreamSet::Impl {
  Impl(std::shared_ptr<stream::Directory> directory, std::shared_ptr<Engine> engine,
       const StreamOptions& options)
      : set(std::move(directory), std::move(engine), options) {}
  stream::Set set;
};

StreamSet::StreamSet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamSet::StreamSet(StreamSet&&) noexcept = default;
StreamSet& StreamSet::operator=(StreamSet&&) noexcept = default;
StreamSet::~StreamSet() = default;

Result<StreamSet> StreamSet::open(std::string_view directory, const StreamOptions& options) {
  if (Status status = mistakes_in(options); !status.ok()) return status;
  auto there = open_directory(directory);
  if (!there.ok()) return there.status();
  auto engine = Engine::shared(options.pool_bytes);
  if (!engine.ok()) return engine.status();
  return StreamSet(
      std::make_unique<Impl>(std::move(there.value()), std::move(engine.value()), options));
}

Admission StreamSet::write(std::string_view name, std::string_view record) noexcept {
  return impl_->set.write(name, record);
}
Status StreamSet::initialize(std::string_view name) {
  return has(name) ? Status() : impl_->set.open_stream(name);
}
bool StreamSet::has(std::string_view name) const { return impl_->set.has(name); }
std::vector<std::string> StreamSet::names() const { return impl_->set.names(); }
Status StreamSet::close_stream(std::string_view name, std::uint32_t timeout_ms) {
  return impl_->set.close_stream(name, timeout_ms);
}
bool StreamSet::flush(std::uint32_t timeout_ms, Reach reach) {
  return impl_->set.flush(timeout_ms, reach > Reach::written);
}
Status StreamSet::close(std::uint32_t timeout_ms) { return impl_->set.close(timeout_ms); }
StreamStatistics StreamSet::statistics() const { return impl_->set.statistics(); }
FlushMetrics StreamSet::flush_metrics() const { return metrics_of(impl_->set.times()); }
Status StreamSet::status() const { return impl_->set.status(); }

}  // namespace v1
}  // namespace sluice
