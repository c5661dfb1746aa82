#include "runtime/commit_watch.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "os/fork.h"
#include "os/process.h"

namespace sluice::runtime {
namespace {

constexpr std::chrono::milliseconds kLookInterval{10};
constexpr std::chrono::milliseconds kRetryInterval{200};
constexpr std::size_t kRowsAtOnce = 1000;

constexpr char kLastLog[] = "SELECT coalesce(max(id), 0) FROM records";
constexpr char kLastMetric[] = "SELECT coalesce(max(id), 0) FROM points";

}  // namespace

Result<CommitWatch::Owner> CommitWatch::start(std::string path, Hook hook, Reporter& reporter,
                                              CommitWatches& watches) {
  Owner watch(new CommitWatch(std::move(path), std::move(hook), reporter));
  {
    const storage::DatabaseUse use;
    const Status opened = watch->open();
    if (!opened.ok()) return opened;
    const Result<i64> log = watch->reader_->number(kLastLog);
    if (!log.ok()) return log.status();
    const Result<i64> metric = watch->reader_->number(kLastMetric);
    if (!metric.ok()) return metric.status();
    watch->last_log_ = log.value();
    watch->last_metric_ = metric.value();
  }
  watch->thread_ = std::thread([self = watch.get()] { self->main(); });
  watches.add(watch->looks_);
  return watch;
}

CommitWatch::CommitWatch(std::string path, Hook hook, Reporter& reporter)
    : path_(std::move(path)),
      hook_(std::move(hook)),
      reporter_(reporter),
      generation_(os::fork_generation()) {}

void CommitWatch::End::operator()(CommitWatch* watch) const {
  if (watch->generation_ == os::fork_generation()) delete watch;
}

CommitWatch::~CommitWatch() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(looks_->mutex);
    looks_->stopping = true;
    looks_->changed.notify_all();
  }
  thread_.join();
}

void CommitWatch::main() {
  CommitWatches::enter_hook();
  os::block_signals();
  os::set_thread_name("sluice-hook");
  CommitWatches::Looks& looks = *looks_;
  for (std::unique_lock lock(looks.mutex);;) {
    const bool stopping = looks.stopping;
    const u64 asked = looks.asked;
    lock.unlock();
    const bool well = hand_on_all();
    lock.lock();
    looks.done = asked;
    looks.ended = stopping;
    looks.changed.notify_all();
    if (stopping) return;
    looks.changed.wait_for(lock, well ? kLookInterval : kRetryInterval,
                           [&] { return looks.stopping || looks.asked != looks.done; });
  }
}

Status CommitWatch::open() {
  if (reader_ && reader_->may_go_on(path_)) return {};
  auto opened = storage::Reader::open(path_);
  if (!opened.ok()) return opened.status();
  const bool another = reader_ != nullptr;
  reader_ = std::move(opened.value());
  version_ = -1;
  if (another) last_log_ = last_metric_ = 0;  // a new file, in the place of a damaged one
  return {};
}

Status CommitWatch::read(Commit& commit) {
  const storage::DatabaseUse use;
  const Status opened = open();
  if (!opened.ok()) return opened;
  const Result<i64> version = reader_->version();
  if (!version.ok()) return version.status();
  if (version.value() == version_) return {};
  // What a statement of a user's has taken from the end: these ids are given again.
  const Result<i64> log = reader_->number(kLastLog);
  if (!log.ok()) return log.status();
  const Result<i64> metric = reader_->number(kLastMetric);
  if (!metric.ok()) return metric.status();
  last_log_ = std::min(last_log_, log.value());
  last_metric_ = std::min(last_metric_, metric.value());
  Result<Commit> rows = reader_->rows_after(last_log_, last_metric_, kRowsAtOnce);
  if (!rows.ok()) return rows.status();
  commit = std::move(rows.value());
  if (!commit.logs.empty()) last_log_ = commit.logs.back().id;
  if (!commit.metrics.empty()) last_metric_ = commit.metrics.back().id;
  const bool all = commit.logs.size() < kRowsAtOnce && commit.metrics.size() < kRowsAtOnce;
  if (all) version_ = version.value();
  return {};
}

bool CommitWatch::hand_on_all() {
  for (;;) {
    Commit commit;
    const Status status = read(commit);
    if (!status.ok()) {
      if (!failing_) reporter_.report("sluice: a hook on commits: " + status.message());
      failing_ = true;
      return false;
    }
    failing_ = false;
    if (commit.logs.empty() && commit.metrics.empty()) return true;
    call(commit);
  }
}

void CommitWatch::call(const Commit& commit) {
  std::string problem;
  try {
    hook_(commit);
    return;
  } catch (const std::exception& exception) {
    problem = exception.what();
  } catch (...) {
    problem = "of a type that is no std::exception";
  }
  reporter_.report("sluice: a hook on commits threw an exception: " + problem +
                   "; it goes on with the next rows");
}

}  // namespace sluice::runtime
