#include "collector/region_watch.h"

#include <new>

#include "os/process.h"

namespace sluice::collector {

std::shared_ptr<RegionWatch> RegionWatch::make(os::Io& io, const std::string& path, int fd) {
  try {
    auto image = RegionImage::over(io, path, fd);
    if (!image.ok()) return {};
    return std::shared_ptr<RegionWatch>(new RegionWatch(std::move(image.value())));
  } catch (const std::bad_alloc&) {
    return {};  // it is drained all the same
  }
}

RegionWatch::RegionWatch(std::unique_ptr<RegionImage> image)
    : since_ns_(os::monotonic_ns()), counted_to_(image->skip_to_end()) {
  reader_.emplace(std::move(image));
}

void RegionWatch::count(const char* batch) {
  const std::lock_guard lock(counts_mutex_);
  counts_.count(batch);
}

SiteCounts RegionWatch::counts() {
  const std::lock_guard lock(counts_mutex_);
  return counts_;
}

void RegionWatch::close() {
  const std::lock_guard lock(file_mutex_);
  if (!reader_) return;
  try {
    last_ = reader_->read(counts());
    last_.waiting_bytes = 0;
  } catch (const std::bad_alloc&) {
    last_ = {};  // what it came to is only shown
  }
  reader_.reset();
  closed_ns_.store(os::monotonic_ns(), std::memory_order_relaxed);  // relaxed: closed_ns()
}

RegionWatch::Look RegionWatch::look() {
  const std::lock_guard lock(file_mutex_);
  if (!reader_) return {last_, since_ns_, true};
  return {reader_->read(counts()), since_ns_, false};
}

}  // namespace sluice::collector
