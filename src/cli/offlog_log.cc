#include "cli/offlog_log.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "append/line_text.h"
#include "base/durations.h"
#include "os/append_file.h"
#include "os/child.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kLinesMax = 10'000;

std::string head_of(bool warning) {
  return append::line_head(os::wall_ns(), "offlog", warning ? Level::warning : Level::info);
}

}  // namespace

Status OfflogLog::start(const std::string& path) {
  if (!path.empty()) {
    file_ = os::open_appending(path);
    if (file_ < 0) {
      return fatal("--logfile " + path + " cannot be opened: " + os::error_text(file_));
    }
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

OfflogLog::~OfflogLog() {
  (void)stop(os::monotonic_ns() + kNsPerSecond);
  if (thread_.joinable()) thread_.detach();
}

void OfflogLog::add(bool warning, std::string text) {
  std::string line = head_of(warning) + std::move(text) + '\n';
  const std::lock_guard lock(mutex_);
  if (lines_.size() >= kLinesMax) {
    ++dropped_;
    return;
  }
  lines_.push_back({warning, std::move(line)});
  changed_.notify_all();
}

void OfflogLog::run() {
  os::block_signals();
  os::set_thread_name("sluice-log");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !lines_.empty(); });
    if (lines_.empty()) break;
    std::deque<Line> lines = std::exchange(lines_, {});
    if (const u64 dropped = std::exchange(dropped_, 0); dropped != 0) {
      lines.push_back({true, head_of(true) + std::to_string(dropped) +
                                 " lines of this log were dropped: nobody read it in time\n"});
    }
    lock.unlock();
    for (const Line& line : lines) write(line);
    lock.lock();
  }
  ended_ = true;
  changed_.notify_all();
}

// A reader that has gone, or a disk that is full, stops nothing but these lines.
void OfflogLog::write(const Line& line) const {
  (void)os::write_fully(line.warning ? 2 : 1, line.text.data(), line.text.size());
  if (file_ >= 0) (void)os::write_fully(file_, line.text.data(), line.text.size());
}

bool OfflogLog::stop(i64 deadline_ns) {
  if (!thread_.joinable()) return true;
  {
    std::unique_lock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    const i64 left_ns = std::max<i64>(deadline_ns - os::monotonic_ns(), 0);
    if (!changed_.wait_for(lock, std::chrono::nanoseconds(left_ns), [this] { return ended_; })) {
      return false;
    }
  }
  thread_.join();
  os::close_file(file_);
  return true;
}

}  // namespace sluice::cli
