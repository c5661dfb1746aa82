#include "upload/engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/durations.h"
#include "os/child.h"
#include "os/process.h"
#include "record/escape.h"

namespace sluice::upload {
namespace {

i64 after_ms(u64 ms) { return os::monotonic_ns() + i64(ms) * kNsPerMs; }

std::chrono::nanoseconds until(i64 at_ns) {
  return std::chrono::nanoseconds(std::max<i64>(0, at_ns - os::monotonic_ns()));
}

DeliveryOptions delivery_options(const UploadOptions& options) {
  return {options.layout == UploadLayout::hive ? Layout::kHive : Layout::kFlat,
          options.compress,
          options.keep,
          options.retries,
          {options.backoff_ms, options.backoff_ms_max}};
}

UploadStep step_of(Fate fate) {
  switch (fate) {
    case Fate::kUploaded:
      return UploadStep::uploaded;
    case Fate::kThere:
      return UploadStep::there;
    case Fate::kConflict:
    case Fate::kRefused:
      return UploadStep::parked;
    case Fate::kRemoved:
    case Fate::kLater:
    case Fate::kStopped:
      break;
  }
  return UploadStep::later;
}

Bounds bounds_of(const UploadOptions& options) {
  Bounds bounds;
  bounds.disk_bytes = options.disk_bytes;
  if (!options.keep) return bounds;
  bounds.kept_ns = i64(options.keep_seconds) * 1000 * kNsPerMs;
  bounds.kept_bytes = options.keep_bytes;
  return bounds;
}

UploadEvent event_of(UploadStep step, const FoundFile& found) {
  UploadEvent event;
  event.step = step;
  event.file = found.name;
  event.bytes = found.info.size;
  return event;
}

}  // namespace

Engine::Engine(Parts parts, const UploadOptions& options)
    : options_(options),
      parts_(std::move(parts)),
      delivery_(parts_.io, *parts_.bucket, *parts_.log, *parts_.scan, parts_.destination,
                delivery_options(options)) {
  for (u32 i = 0; i < options_.files_at_once; ++i) threads_.emplace_back([this] { work(); });
}

Engine::~Engine() { (void)stop(0); }

// ---- from outside ----

bool Engine::drain(u32 timeout_ms) {
  if (!is_ours()) return false;
  Lock lock(mutex_);
  const u64 ticket = ++asked_;
  later_.clear();
  next_look_ns_ = 0;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return stopping_ || answered_ >= ticket; });
  return answered_ >= ticket;
}

bool Engine::stop(u32 deadline_ms) {
  if (!is_ours()) return true;
  const std::scoped_lock joining(joining_);
  {
    Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::milliseconds(deadline_ms),
                      [&] { return flights_.empty(); });
  }
  breaking_off_.request_stop();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  const std::scoped_lock lock(mutex_);
  return !broke_off_;
}

UploadStatistics Engine::statistics() const {
  if (!is_ours()) return {};
  const std::scoped_lock lock(mutex_);
  UploadStatistics told = totals_;
  told.later = later_.size();
  told.waiting += queue_.size();
  told.in_flight = flights_.size();
  for (const FoundFile& found : queue_) told.bytes_waiting += found.info.size;
  for (const auto& [name, flight] : flights_) {
    told.bytes_in_flight += flight.bytes;
    told.bytes_in_flight_done += flight.done;
  }
  return told;
}

// ---- the threads ----

void Engine::work() {
  os::block_signals();
  os::set_thread_name("sluice-upload");
  Lock lock(mutex_);
  while (!stopping_) {
    if (!queue_.empty()) {
      send_one(lock);
    } else if (looking_) {
      changed_.wait(lock);
    } else if (os::monotonic_ns() >= next_look_ns_) {
      look_for_files(lock);
    } else {
      changed_.wait_for(lock, until(next_look_ns_));
    }
  }
}

void Engine::look_for_files(Lock& lock) {
  looking_ = true;
  const u64 asked = asked_;
  const i64 began = os::monotonic_ns();
  const bool tidy = !std::exchange(tidied_, true);
  lock.unlock();
  u64 sealed = 0;
  Status status = parts_.log->check();
  Look look;
  if (status.ok()) {
    if (tidy) delivery_.give_up_the_gone();
    status = look_through(look, sealed);
  }
  if (status.message() != look_trouble_) {
    look_trouble_ = status.message();
    UploadEvent event;
    event.step = UploadStep::later;
    event.why = look_trouble_;
    if (!status.ok()) tell(event);
  }
  lock.lock();
  looking_ = false;
  totals_.sealed += sealed;
  totals_.failed_looks = status.ok() ? 0 : totals_.failed_looks + 1;
  take_in(look, asked, began);
  changed_.notify_all();
}

// What files there are, after those of dead writers were finished and what is too much removed.
Status Engine::look_through(Look& look, u64& sealed) {
  Status status = parts_.scan->seal([&](const stream::Left& left) {
    ++sealed;
    UploadEvent event;
    event.step = UploadStep::sealed;
    const std::string why = left.loss();
    event.file = std::string_view(left.path).substr(left.path.rfind('/') + 1);
    if (left.cut_bytes > 0 || left.lost != u64{0}) event.why = why;
    tell(event);
  });
  keep_bounds();
  Result<Look> looked = parts_.scan->look(options_.queue_files, [this](const FoundFile& found) {
    return is_passed_over(found) || delivery_.is_settled(found);
  });
  if (looked.ok()) look = std::move(looked.value());
  return status.ok() ? looked.status() : status;
}

// Between deliveries: what goes is not being sent. One that is taken from the queue meanwhile is
// found gone, or is sent all the same.
void Engine::keep_bounds() {
  const Bounds bounds = bounds_of(options_);
  if (!bounds.any()) return;
  std::vector<Candidate> all;
  const Result<Look> look =
      parts_.scan->look(~std::size_t{0}, [](const FoundFile&) { return false; });
  if (!look.ok()) return;  // said by the look that follows
  for (const FoundFile& found : look.value().files) {
    const bool uploaded = delivery_.is_done(found);
    const std::scoped_lock lock(mutex_);
    all.push_back({found, uploaded, flights_.contains(found.name)});
  }
  for (const Candidate& gone : files_to_remove(all, bounds, os::wall_ns())) {
    UploadEvent event = event_of(UploadStep::discarded, gone.file);
    const std::string trouble = delivery_.remove(gone.file);
    const std::string why =
        trouble.empty() ? "removed before it was uploaded: disk_bytes is passed" : trouble;
    event.why = why;
    if (!trouble.empty()) event.step = UploadStep::later;
    if (!trouble.empty() || !gone.uploaded) tell(event);
    if (!trouble.empty()) continue;
    const std::scoped_lock lock(mutex_);
    if (gone.uploaded) {
      ++totals_.removed;
    } else {
      ++totals_.discarded;
      totals_.bytes_discarded += gone.file.info.size;
      tidied_ = false;
    }
  }
}

void Engine::take_in(const Look& look, u64 asked, i64 began_ns) {
  queue_.insert(queue_.end(), look.files.begin(), look.files.end());
  totals_.waiting = look.more;
  totals_.unsettled = look.unsettled;
  // Due, and not found: they have gone.
  std::erase_if(later_, [&](const auto& later) { return later.second <= began_ns; });
  // A full queue: the next look is when it is empty. Files in flight: settle() asks for a look.
  const bool again = !queue_.empty() || asked < asked_;
  next_look_ns_ = again ? 0 : after_ms(options_.scan_interval_ms);
  if (queue_.empty() && flights_.empty()) answered_ = std::max(answered_, asked);
}

bool Engine::is_passed_over(const FoundFile& found) {
  const std::scoped_lock lock(mutex_);
  if (flights_.contains(found.name)) return true;
  if (const auto later = later_.find(found.name); later != later_.end()) {
    // Whoever waits in drain() waits for one try of each.
    if (answered_ < asked_ || os::monotonic_ns() < later->second) return true;
    later_.erase(later);
  }
  const auto parked = parked_.find(found.name);
  if (parked == parked_.end()) return false;
  const os::FileInfo& then = parked->second.info;
  if (then.id() == found.info.id() && then.size == found.info.size &&
      then.modified_ns == found.info.modified_ns) {
    return true;
  }
  parked_.erase(parked);
  return false;
}

void Engine::send_one(Lock& lock) {
  const FoundFile found = std::move(queue_.front());
  queue_.pop_front();
  flights_[found.name] = {found.info.size, 0};
  ++totals_.files;
  lock.unlock();
  tell(event_of(UploadStep::begun, found));
  const i64 begin = os::monotonic_ns();
  const Delivered delivered = delivery_.deliver(found, attendant_for(found));
  const double took_ms = double(os::monotonic_ns() - begin) / kNsPerMs;
  UploadEvent event = event_of(step_of(delivered.fate), found);
  event.object = delivered.object;
  event.why = delivered.why;
  event.took_ms = took_ms;
  if (delivered.fate != Fate::kRemoved && delivered.fate != Fate::kStopped) tell(event);
  lock.lock();
  settle(found, delivered, took_ms);
  changed_.notify_all();
}

Attendant Engine::attendant_for(const FoundFile& found) {
  Attendant attendant;
  attendant.stop = breaking_off_.get_token();
  attendant.wait = [this](u64 ms) { return pause(ms); };
  attendant.retrying = [this, &found](const std::string& why, u64 wait_ms) {
    {
      const std::scoped_lock lock(mutex_);
      ++totals_.retries;
    }
    UploadEvent event = event_of(UploadStep::retrying, found);
    event.why = why;
    event.wait_ms = wait_ms;
    tell(event);
  };
  attendant.at = [this, &found](u64 bytes) {
    const std::scoped_lock lock(mutex_);
    flights_[found.name].done = bytes;
  };
  return attendant;
}

bool Engine::pause(u64 ms) {
  Lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
}

void Engine::settle(const FoundFile& found, const Delivered& delivered, double took_ms) {
  flights_.erase(found.name);
  totals_.bytes_sent += delivered.sent;
  const bool parked = delivered.fate == Fate::kConflict || delivered.fate == Fate::kRefused;
  if (delivered.is_there()) {
    const bool first = totals_.successful == 0;
    ++totals_.successful;
    totals_.there += u64{delivered.fate == Fate::kThere};
    totals_.bytes += found.info.size;
    totals_.upload_ms_total += took_ms;
    totals_.upload_ms_min = first ? took_ms : std::min(totals_.upload_ms_min, took_ms);
    totals_.upload_ms_max = std::max(totals_.upload_ms_max, took_ms);
    totals_.last_upload_ns = os::wall_ns();
  } else if (parked) {
    ++totals_.failed;
    totals_.conflicts += u64{delivered.fate == Fate::kConflict};
    parked_[found.name] = found;
  } else {
    --totals_.files;  // it is taken again
    broke_off_ = broke_off_ || delivered.fate == Fate::kStopped;
  }
  // Also one that is there, and could not be removed here.
  if (!parked && !delivered.why.empty()) {
    later_[found.name] = after_ms(std::max<u64>(options_.backoff_ms_max, delivered.wait_ms));
  }
  if (answered_ < asked_ && queue_.empty() && flights_.empty()) next_look_ns_ = 0;
}

// ---- what is said ----

void Engine::tell(const UploadEvent& event) {
  const std::scoped_lock lock(event_mutex_);
  if (!options_.quiet) report(event);
  if (options_.on_event) options_.on_event(event);
}

void Engine::report(const UploadEvent& event) {
  if (event.why.empty() || event.step == UploadStep::retrying) return;
  std::string text = parts_.scan->directory();
  if (!event.file.empty()) text += "/" + std::string(event.file);
  text += event.step == UploadStep::parked      ? ": is not uploaded, and not tried again: "
          : event.step == UploadStep::later     ? ": is not uploaded yet: "
          : event.step == UploadStep::discarded ? ": "
          : event.step == UploadStep::sealed    ? ": its writer ended without closing it: "
                                                : ": is uploaded: ";
  const std::string line =
      "sluice: " + escaped(TextForm::kText, text + std::string(event.why)) + "\n";
  (void)os::write_fully(2, line.data(), line.size());
}

}  // namespace sluice::upload
