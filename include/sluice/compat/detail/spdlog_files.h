// The shim for spdlog: sinks that write files. A line is with the kernel when its sink returns: the
// death of the process takes nothing that was delivered.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_FILES_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_FILES_H_

#include <cerrno>
#include <deque>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "sluice/compat/detail/spdlog_sinks.h"

namespace spdlog {
inline namespace sluice_shim {
namespace details {

// One open file. Single-owner: its sink's mutex guards it.
class file_helper {
 public:
  explicit file_helper(file_event_handlers handlers = {}) : handlers_(std::move(handlers)) {}
  ~file_helper() { close(); }
  file_helper(const file_helper&) = delete;
  file_helper& operator=(const file_helper&) = delete;

  // Makes the folders of the path. Raises spdlog_ex when the file cannot be opened.
  void open(const filename_t& name, bool truncate) {
    close();
    name_ = name;
    if (handlers_.before_open) handlers_.before_open(name_);
    std::error_code ignored;  // what matters is whether the file opens
    const auto folder = std::filesystem::path(name_).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
    // Truncated first, then appended to: another program's lines are not overwritten.
    if (truncate) {
      if (std::FILE* const emptied = std::fopen(name_.c_str(), "we")) std::fclose(emptied);
    }
    stream_ = std::fopen(name_.c_str(), "ae");
    if (stream_ == nullptr) {
      const int why = errno;
      raise(spdlog_ex("cannot open the file " + name_, why));
    }
    std::setvbuf(stream_, nullptr, _IONBF, 0);
    const auto size = std::filesystem::file_size(name_, ignored);
    bytes_ = ignored ? 0 : size;
    if (handlers_.after_open) handlers_.after_open(name_, stream_);
  }
  void close() {
    if (stream_ == nullptr) return;
    if (handlers_.before_close) handlers_.before_close(name_, stream_);
    std::fclose(std::exchange(stream_, nullptr));
    if (handlers_.after_close) handlers_.after_close(name_);
  }
  void write(const memory_buf_t& line) {
    if (stream_ == nullptr) raise(spdlog_ex("the file " + name_ + " is closed"));
    if (std::fwrite(line.data(), 1, line.size(), stream_) != line.size()) {
      const int why = errno;
      std::clearerr(stream_);
      raise(spdlog_ex("cannot write to the file " + name_, why));
    }
    bytes_ += line.size();
  }
  void flush() {
    if (stream_ != nullptr) std::fflush(stream_);
  }
  // As of the opening, and what was written since.
  [[nodiscard]] std::size_t size() const { return bytes_; }
  [[nodiscard]] const filename_t& filename() const { return name_; }

  // "logs/a.txt" is "logs/a" and ".txt".
  static std::tuple<filename_t, filename_t> split_by_extension(const filename_t& name) {
    const std::filesystem::path path(name);
    const std::string extension = path.extension().string();
    return {name.substr(0, name.size() - extension.size()), extension};
  }

 private:
  file_event_handlers handlers_;
  std::FILE* stream_ = nullptr;
  filename_t name_;
  std::size_t bytes_ = 0;
};

}  // namespace details

namespace sinks {

template <class Mutex>
class basic_file_sink final : public base_sink<Mutex> {
 public:
  explicit basic_file_sink(const filename_t& filename, bool truncate = false,
                           const file_event_handlers& handlers = {})
      : file_(handlers) {
    file_.open(filename, truncate);
  }
  [[nodiscard]] const filename_t& filename() const { return file_.filename(); }

 protected:
  void sink_it_(const details::log_msg& record) override {
    memory_buf_t line;
    base_sink<Mutex>::formatter_->format(record, line);
    file_.write(line);
  }
  void flush_() override { file_.flush(); }

 private:
  details::file_helper file_;
};

// log.txt, and before it log.1.txt, log.2.txt, ...: the higher, the older; max_files of these.
template <class Mutex>
class rotating_file_sink final : public base_sink<Mutex> {
 public:
  rotating_file_sink(filename_t base_filename, std::size_t max_size, std::size_t max_files,
                     bool rotate_on_open = false, const file_event_handlers& handlers = {})
      : base_(std::move(base_filename)),
        bytes_max_(max_size),
        files_max_(max_files),
        file_(handlers) {
    if (max_size == 0) details::raise(spdlog_ex("a rotating file needs a size of 1 at least"));
    if (max_files > kFilesMax) {
      details::raise(spdlog_ex("a rotating file keeps at most " + std::to_string(kFilesMax)));
    }
    file_.open(calc_filename(base_, 0), false);
    if (rotate_on_open && file_.size() > 0) rotate();
  }
  static filename_t calc_filename(const filename_t& base, std::size_t index) {
    if (index == 0) return base;
    const auto [stem, extension] = details::file_helper::split_by_extension(base);
    return stem + "." + std::to_string(index) + extension;
  }
  [[nodiscard]] filename_t filename() {
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    return file_.filename();
  }

 protected:
  void sink_it_(const details::log_msg& record) override {
    memory_buf_t line;
    base_sink<Mutex>::formatter_->format(record, line);
    if (file_.size() > 0 && file_.size() + line.size() > bytes_max_) rotate();
    file_.write(line);
  }
  void flush_() override { file_.flush(); }

 private:
  static constexpr std::size_t kFilesMax = 200'000;

  void rotate() {
    file_.close();
    std::error_code failed;
    for (std::size_t i = files_max_; i > 0; --i) {
      const filename_t from = calc_filename(base_, i - 1);
      if (!std::filesystem::exists(from, failed)) continue;
      std::filesystem::rename(from, calc_filename(base_, i), failed);
      if (failed) {
        // It would grow without bound: what is in it goes, which is said.
        const spdlog_ex problem("cannot rename the file " + from, failed.value());
        file_.open(base_, true);
        details::raise(problem);
      }
    }
    file_.open(base_, true);
  }

  const filename_t base_;
  const std::size_t bytes_max_;
  const std::size_t files_max_;
  details::file_helper file_;
};

// log.txt of a day is log_2026-11-28.txt.
struct daily_filename_calculator {
  static filename_t calc_filename(const filename_t& base, const std::tm& day) {
    const auto [stem, extension] = details::file_helper::split_by_extension(base);
    return fmt::format("{}_{:04}-{:02}-{:02}{}", stem, day.tm_year + 1900, day.tm_mon + 1,
                       day.tm_mday, extension);
  }
};
// The name is a pattern of strftime().
struct daily_filename_format_calculator {
  static filename_t calc_filename(const filename_t& base, const std::tm& day) {
    std::array<char, 4096> name{};
    const std::size_t size = std::strftime(name.data(), name.size(), base.c_str(), &day);
    return {name.data(), size};
  }
};

// A file a day, from hour:minute local time on; the newest max_files of those it made (0: all).
template <class Mutex, class FileNameCalc = daily_filename_calculator>
class daily_file_sink final : public base_sink<Mutex> {
 public:
  daily_file_sink(filename_t base_filename, int rotation_hour, int rotation_minute,
                  bool truncate = false, std::uint16_t max_files = 0,
                  const file_event_handlers& handlers = {})
      : base_(std::move(base_filename)),
        hour_(rotation_hour),
        minute_(rotation_minute),
        truncate_(truncate),
        files_max_(max_files),
        file_(handlers) {
    if (hour_ < 0 || hour_ > 23 || minute_ < 0 || minute_ > 59) {
      details::raise(spdlog_ex("a daily file needs a time of day"));
    }
    const log_clock::time_point now = log_clock::now();
    file_.open(FileNameCalc::calc_filename(base_, local(now)), truncate_);
    next_ = next_rotation(now);
    find_older(now);
  }
  [[nodiscard]] filename_t filename() {
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    return file_.filename();
  }

 protected:
  void sink_it_(const details::log_msg& record) override {
    if (record.time >= next_) {
      file_.open(FileNameCalc::calc_filename(base_, local(record.time)), truncate_);
      next_ = next_rotation(record.time);
      remember(file_.filename());
    }
    memory_buf_t line;
    base_sink<Mutex>::formatter_->format(record, line);
    file_.write(line);
  }
  void flush_() override { file_.flush(); }

 private:
  static std::tm local(log_clock::time_point time) {
    const std::time_t second = log_clock::to_time_t(time);
    std::tm parts{};
    localtime_r(&second, &parts);
    return parts;
  }
  log_clock::time_point next_rotation(log_clock::time_point now) const {
    std::tm parts = local(now);
    parts.tm_hour = hour_;
    parts.tm_min = minute_;
    parts.tm_sec = 0;
    parts.tm_isdst = -1;  // mktime() finds out, and takes the 32nd for the 1st
    log_clock::time_point at = log_clock::from_time_t(std::mktime(&parts));
    if (at > now) return at;
    ++parts.tm_mday;
    parts.tm_isdst = -1;
    return log_clock::from_time_t(std::mktime(&parts));
  }
  // Of the days before, as far as there is one each day.
  void find_older(log_clock::time_point now) {
    if (files_max_ == 0) return;
    for (int days = 0; made_.size() < files_max_; ++days) {
      const filename_t name =
          FileNameCalc::calc_filename(base_, local(now - std::chrono::hours(24) * days));
      std::error_code failed;
      if (!std::filesystem::exists(name, failed)) break;
      made_.push_front(name);
    }
  }
  void remember(const filename_t& name) {
    if (files_max_ == 0) return;
    made_.push_back(name);
    while (made_.size() > files_max_) {
      std::error_code failed;
      std::filesystem::remove(made_.front(), failed);
      const filename_t oldest = made_.front();
      made_.pop_front();
      if (failed) details::raise(spdlog_ex("cannot remove the file " + oldest, failed.value()));
    }
  }

  const filename_t base_;
  const int hour_;
  const int minute_;
  const bool truncate_;
  const std::size_t files_max_;
  details::file_helper file_;
  log_clock::time_point next_;
  std::deque<filename_t> made_;
};

using basic_file_sink_mt = basic_file_sink<std::mutex>;
using basic_file_sink_st = basic_file_sink<details::null_mutex>;
using rotating_file_sink_mt = rotating_file_sink<std::mutex>;
using rotating_file_sink_st = rotating_file_sink<details::null_mutex>;
using daily_file_sink_mt = daily_file_sink<std::mutex>;
using daily_file_sink_st = daily_file_sink<details::null_mutex>;
using daily_file_format_sink_mt = daily_file_sink<std::mutex, daily_filename_format_calculator>;
using daily_file_format_sink_st =
    daily_file_sink<details::null_mutex, daily_filename_format_calculator>;

}  // namespace sinks
}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_FILES_H_
