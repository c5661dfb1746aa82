// AppendLogger: lines to a file through an append service, and to the console
// (include/sluice/append.h).
//
// The file in use is behind a spin lock that is held for the copy of a pointer. After a rotation
// one of the callers opens the file anew, without any lock, while the others still write to the old
// one; that one is ended behind, and kept until all of it is confirmed.
#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "append/line_text.h"
#include "base/spin_lock.h"
#include "os/append_file.h"
#include "os/child.h"
#include "os/io.h"
#include "os/path.h"
#include "os/pipe.h"
#include "os/process.h"
#include "record/escape.h"
#include "record/format.h"

namespace sluice {
inline namespace v1 {

namespace {

constexpr i64 kReopenPauseNs = 1'000'000'000;

// The file, wherever it is written.
class Destination {
 public:
  virtual ~Destination() = default;
  [[nodiscard]] virtual bool write(std::string_view line) = 0;
  [[nodiscard]] virtual bool rotated() const = 0;
  virtual Status close(bool block_send, bool block_close) = 0;
  // Nothing of it is under way any more.
  [[nodiscard]] virtual bool is_quiet() const = 0;
  [[nodiscard]] virtual Status status() const = 0;
};

class ServiceFile final : public Destination {
 public:
  explicit ServiceFile(ProxyFile file) : file_(std::move(file)) {}
  bool write(std::string_view line) override { return file_.write(line) == Admission::kOk; }
  bool rotated() const override { return file_.check_rotated(); }
  Status close(bool block_send, bool block_close) override {
    return file_.close(block_send, block_close);
  }
  bool is_quiet() const override {
    const ProxyStatistics counts = file_.statistics();
    return counts.waiting_bytes == 0 && counts.in_flight_bytes == 0;
  }
  Status status() const override { return file_.status(); }

 private:
  ProxyFile file_;
};

class LocalFile final : public Destination {
 public:
  LocalFile(std::string path, int fd, os::FileId id) : path_(std::move(path)), fd_(fd), id_(id) {}
  ~LocalFile() override { os::close_descriptor(fd_); }
  bool write(std::string_view line) override {
    const std::scoped_lock lock(mutex_);
    const int error = closed_ ? -EBADF : os::write_fully(fd_, line.data(), line.size());
    if (error == 0) return true;
    if (first_error_.ok()) {
      first_error_ = {ErrorClass::kRetryable,
                      "cannot write " + escaped(TextForm::kText, path_) + ": " +
                          (closed_ ? std::string("it is closed") : os::error_text(-error)),
                      -error};
    }
    return false;
  }
  bool rotated() const override {
    os::FileInfo there;
    const int error = os::real_io().stat_followed(path_.c_str(), there);
    return error == -ENOENT || (error == 0 && there.id() != id_);
  }
  Status close(bool, bool) override {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    return first_error_;
  }
  bool is_quiet() const override { return true; }
  Status status() const override {
    const std::scoped_lock lock(mutex_);
    return first_error_;
  }

 private:
  const std::string path_;
  int fd_;
  const os::FileId id_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  Status first_error_;
};

using File = std::shared_ptr<Destination>;

Result<File> open_local(const std::string& path) {
  int fd = os::open_appending(path);
  os::FileInfo info;
  const int error = fd < 0 ? fd : os::real_io().stat_fd(fd, info);
  if (error >= 0) return File(std::make_shared<LocalFile>(path, fd, info.id()));
  os::close_descriptor(fd);
  return Status(ErrorClass::kFatal,
                "cannot open " + escaped(TextForm::kText, path) + ": " + os::error_text(-error),
                -error);
}

Result<File> open_file(const AppendLoggerOptions& options, bool block) {
  if (options.local_file) return open_local(options.file);
  ProxyOptions service = options.service;
  service.block_open = service.block_open && block;
  Result<ProxyFile> file = ProxyFile::open(options.file, service);
  if (!file.ok()) return file.status();
  return File(std::make_shared<ServiceFile>(std::move(file.value())));
}

bool to_console(int fd, std::string_view line) {
  const os::NoPipeSignal no_signal;
  return os::write_fully(fd, line.data(), line.size()) == 0;
}

}  // namespace

struct AppendLogger::Impl {
  explicit Impl(const AppendLoggerOptions& from) : options(from) {
    options.name = escaped(TextForm::kText, options.name);
    if (options.local_file) options.file = os::absolute_path(options.file);
  }

  void put(Level level, std::string_view line);
  void put_in_file(std::string_view line);
  void reopen_if_rotated(const File& used);
  [[nodiscard]] File current();
  void keep_error(Status status);
  [[nodiscard]] bool to_file(Level level) const {
    return !options.file.empty() && level >= options.file_level;
  }

  AppendLoggerOptions options;
  SpinLock<detail::RealSync> lock;
  File file;  // under `lock`
  std::atomic<bool> reopening{false};
  i64 next_reopen_ns = 0;     // of the one who reopens
  std::mutex mutex;           // of those below
  std::vector<File> retired;  // not quiet yet
  Status first_error;
  std::atomic<bool> closed{false};
  std::atomic<u64> accepted{0}, refused{0}, console_failed{0}, rotations{0};
};

File AppendLogger::Impl::current() {
  lock.lock(os::yield);
  File copy = file;
  lock.unlock();
  return copy;
}

void AppendLogger::Impl::keep_error(Status status) {
  const std::scoped_lock held(mutex);
  if (first_error.ok()) first_error = std::move(status);
}

void AppendLogger::Impl::reopen_if_rotated(const File& used) {
  if (!used->rotated()) return;
  // relaxed, both: what one has done, the next finds under `lock`
  if (reopening.exchange(true, std::memory_order_relaxed)) return;
  const i64 now = os::monotonic_ns();
  if (current() == used && now >= next_reopen_ns) {
    Result<File> fresh = open_file(options, false);
    if (fresh.ok()) {
      lock.lock(os::yield);
      file = fresh.value();
      lock.unlock();
      rotations.fetch_add(1, std::memory_order_relaxed);
      (void)used->close(false, false);
      const std::scoped_lock held(mutex);
      std::erase_if(retired, [](const File& old) { return old->is_quiet() && old->status().ok(); });
      retired.push_back(used);
    } else {
      next_reopen_ns = now + kReopenPauseNs;
      keep_error(fresh.status());
    }
  }
  reopening.store(false, std::memory_order_relaxed);
}

void AppendLogger::Impl::put_in_file(std::string_view line) {
  File used = current();
  if (closed.load(std::memory_order_relaxed)) {
    refused.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  reopen_if_rotated(used);
  used = current();
  bool taken = used->write(line);
  // Another thread may have put a new one in its place in between.
  if (File now = current(); !taken && now != used) taken = now->write(line);
  (taken ? accepted : refused).fetch_add(1, std::memory_order_relaxed);
}

void AppendLogger::Impl::put(Level level, std::string_view line) {
  if (to_file(level)) put_in_file(line);
  bool shown = true;
  if (level >= options.stderr_level) {
    shown = to_console(2, line);
  } else if (level >= options.stdout_level) {
    shown = to_console(1, line);
  }
  if (!shown) console_failed.fetch_add(1, std::memory_order_relaxed);
}

AppendLogger::AppendLogger(std::unique_ptr<Impl> impl, Level lowest)
    : impl_(std::move(impl)), lowest_(lowest) {}
AppendLogger::AppendLogger(AppendLogger&&) noexcept = default;
AppendLogger& AppendLogger::operator=(AppendLogger&& other) noexcept {
  if (this != &other) {
    if (impl_) (void)close();
    impl_ = std::move(other.impl_);
    lowest_ = std::exchange(other.lowest_, Level::off);
  }
  return *this;
}
AppendLogger::~AppendLogger() {
  if (impl_) (void)close();
}

Result<AppendLogger> AppendLogger::open(const AppendLoggerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  Level lowest = std::min(options.stdout_level, options.stderr_level);
  if (!options.file.empty() && options.file_level != Level::off) {
    Result<File> file = open_file(impl->options, true);
    if (!file.ok()) return file.status();
    impl->file = file.value();
    lowest = std::min(lowest, options.file_level);
  } else {
    impl->options.file.clear();
  }
  return AppendLogger(std::move(impl), lowest);
}

void AppendLogger::show(const detail::ShownCall& call, const char* record,
                        std::size_t size) noexcept {
  TextBuffer message;
  if (!append::put_message(call, std::as_bytes(std::span(record, size)), message)) {
    count_refused();
    return;
  }
  std::string line = append::line_head(os::wall_ns(), impl_->options.name, call.level);
  line += message.text();
  line += '\n';
  if (call.exception) line += append::current_exception_text() + "\n";
  impl_->put(call.level, line);
}

void AppendLogger::log_text(Level level, std::string_view text) noexcept {
  if (!passes(level)) return;
  std::string line = append::line_head(os::wall_ns(), impl_->options.name, level);
  line += text;
  line += '\n';
  impl_->put(level, line);
}

void AppendLogger::count_refused() noexcept {
  impl_->refused.fetch_add(1, std::memory_order_relaxed);
}
char* AppendLogger::take_memory(std::size_t size) noexcept {
  return size > kRecordBytesMax ? nullptr : new (std::nothrow) char[size];
}
void AppendLogger::give_memory(char* memory) noexcept { delete[] memory; }

Status AppendLogger::close(bool block_send, bool block_close) {
  impl_->closed.store(true, std::memory_order_relaxed);
  if (const File file = impl_->current()) {
    Status ended = file->close(block_send, block_close);
    if (!ended.ok()) impl_->keep_error(std::move(ended));
  }
  std::vector<File> retired;
  {
    const std::scoped_lock held(impl_->mutex);
    retired = std::move(impl_->retired);
  }
  for (const File& old : retired) {
    Status ended = old->close(block_send, block_close);
    if (!ended.ok()) impl_->keep_error(std::move(ended));
  }
  return status();
}

AppendLoggerStatistics AppendLogger::statistics() const {
  return {impl_->accepted.load(std::memory_order_relaxed),
          impl_->refused.load(std::memory_order_relaxed),
          impl_->console_failed.load(std::memory_order_relaxed),
          impl_->rotations.load(std::memory_order_relaxed)};
}

Status AppendLogger::status() {
  if (const File file = impl_->current()) {
    if (Status now = file->status(); !now.ok()) impl_->keep_error(std::move(now));
  }
  const std::scoped_lock held(impl_->mutex);
  return std::exchange(impl_->first_error, Status());
}

}  // namespace v1
}  // namespace sluice
