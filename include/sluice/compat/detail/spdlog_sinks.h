// The shim for spdlog: sinks that write to no file. A sink runs on a thread of Sluice's.
//
// set_level(), set_pattern() and set_formatter() wait until what was said before is written: it
// still comes by the old ones.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_SINKS_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_SINKS_H_

#include <ostream>
#include <unordered_map>

#include "sluice/compat/detail/spdlog_engine.h"
#include "sluice/compat/detail/spdlog_pattern.h"

namespace spdlog {
inline namespace sluice_shim {
namespace sinks {

class sink {
 public:
  virtual ~sink() = default;
  virtual void log(const details::log_msg& record) = 0;
  virtual void flush() = 0;
  virtual void set_pattern(const std::string& pattern) = 0;
  virtual void set_formatter(std::unique_ptr<formatter> sink_formatter) = 0;

  void set_level(level::level_enum level) {
    const details::drained before;
    level_.store(level, std::memory_order_relaxed);
  }
  [[nodiscard]] level::level_enum level() const {
    // relaxed: a threshold orders nothing
    return level_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool should_log(level::level_enum level) const { return level >= this->level(); }

 private:
  std::atomic<level::level_enum> level_{level::trace};
};

// For sinks of the program's own: sink_it_() and flush_() are called under mutex_.
template <class Mutex>
class base_sink : public sink {
 public:
  base_sink() : formatter_(std::make_unique<pattern_formatter>()) {}
  explicit base_sink(std::unique_ptr<formatter> sink_formatter)
      : formatter_(std::move(sink_formatter)) {}
  base_sink(const base_sink&) = delete;
  base_sink& operator=(const base_sink&) = delete;

  void log(const details::log_msg& record) final {
    const std::lock_guard<Mutex> lock(mutex_);
    sink_it_(record);
  }
  void flush() final {
    const std::lock_guard<Mutex> lock(mutex_);
    flush_();
  }
  void set_pattern(const std::string& pattern) final {
    const details::drained before;
    const std::lock_guard<Mutex> lock(mutex_);
    set_pattern_(pattern);
  }
  void set_formatter(std::unique_ptr<formatter> sink_formatter) final {
    const details::drained before;
    const std::lock_guard<Mutex> lock(mutex_);
    set_formatter_(std::move(sink_formatter));
  }

 protected:
  virtual void sink_it_(const details::log_msg& record) = 0;
  virtual void flush_() = 0;
  virtual void set_pattern_(const std::string& pattern) {
    set_formatter_(std::make_unique<pattern_formatter>(pattern));
  }
  virtual void set_formatter_(std::unique_ptr<formatter> sink_formatter) {
    formatter_ = std::move(sink_formatter);
  }

  std::unique_ptr<formatter> formatter_;
  Mutex mutex_;
};

template <class Mutex>
class null_sink final : public base_sink<Mutex> {
 protected:
  void sink_it_(const details::log_msg&) override {}
  void flush_() override {}
};

// To stdout or stderr, in colour or not. Every line is flushed.
class console_sink : public base_sink<std::mutex> {
 public:
  console_sink(std::FILE* stream, color_mode mode) : stream_(stream) {
    set_color_mode(mode);
    colors_[level::trace] = white;
    colors_[level::debug] = cyan;
    colors_[level::info] = green;
    colors_[level::warn] = yellow_bold;
    colors_[level::err] = red_bold;
    colors_[level::critical] = bold_on_red;
  }

  // ECMA-48's SGR sequences.
  const string_view_t reset = "\033[m";
  const string_view_t bold = "\033[1m", dark = "\033[2m", underline = "\033[4m";
  const string_view_t blink = "\033[5m", reverse = "\033[7m", concealed = "\033[8m";
  const string_view_t clear_line = "\033[K";
  const string_view_t black = "\033[30m", red = "\033[31m", green = "\033[32m";
  const string_view_t yellow = "\033[33m", blue = "\033[34m", magenta = "\033[35m";
  const string_view_t cyan = "\033[36m", white = "\033[37m";
  const string_view_t on_black = "\033[40m", on_red = "\033[41m", on_green = "\033[42m";
  const string_view_t on_yellow = "\033[43m", on_blue = "\033[44m", on_magenta = "\033[45m";
  const string_view_t on_cyan = "\033[46m", on_white = "\033[47m";
  const string_view_t yellow_bold = "\033[33m\033[1m", red_bold = "\033[31m\033[1m";
  const string_view_t bold_on_red = "\033[1m\033[41m";

  void set_color(level::level_enum level, string_view_t color) {
    const std::lock_guard lock(mutex_);
    colors_[static_cast<std::size_t>(level)].assign(color.data(), color.size());
  }
  void set_color_mode(color_mode mode) {
    const std::lock_guard lock(mutex_);
    in_color_ = mode == color_mode::always ||
                (mode == color_mode::automatic && std::getenv("NO_COLOR") == nullptr &&
                 details::is_terminal(stream_));
  }
  [[nodiscard]] bool should_color() {
    const std::lock_guard lock(mutex_);
    return in_color_;
  }

 protected:
  void sink_it_(const details::log_msg& record) override {
    line_.clear();
    formatter_->format(record, line_);
    const std::string_view line(line_.data(), line_.size());
    const std::size_t from = record.color_range_start, to = record.color_range_end;
    if (in_color_ && from < to && to <= line.size()) {
      put(line.substr(0, from));
      put(colors_[static_cast<std::size_t>(record.level)]);
      put(line.substr(from, to - from));
      put({reset.data(), reset.size()});
      put(line.substr(to));
    } else {
      put(line);
    }
    std::fflush(stream_);
  }
  void flush_() override { std::fflush(stream_); }

 private:
  struct Color : std::string {
    using std::string::string;
    Color& operator=(string_view_t from) {
      assign(from.data(), from.size());
      return *this;
    }
  };
  void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream_); }

  std::FILE* const stream_;
  bool in_color_ = false;
  std::array<Color, level::n_levels> colors_;
  memory_buf_t line_;
};

template <int kDescriptor, bool kColor>
class standard_sink final : public console_sink {
 public:
  explicit standard_sink(color_mode mode = kColor ? color_mode::automatic : color_mode::never)
      : console_sink(kDescriptor == 1 ? stdout : stderr, mode) {}
};

template <class Mutex>
class ostream_sink final : public base_sink<Mutex> {
 public:
  explicit ostream_sink(std::ostream& out, bool force_flush = false)
      : out_(out), force_flush_(force_flush) {}

 protected:
  void sink_it_(const details::log_msg& record) override {
    memory_buf_t line;
    base_sink<Mutex>::formatter_->format(record, line);
    out_.write(line.data(), static_cast<std::streamsize>(line.size()));
    if (force_flush_) out_.flush();
  }
  void flush_() override { out_.flush(); }

 private:
  std::ostream& out_;
  const bool force_flush_;
};

// Gives each record to a function.
template <class Mutex>
class callback_sink final : public base_sink<Mutex> {
 public:
  using custom_log_callback = std::function<void(const details::log_msg& record)>;
  explicit callback_sink(custom_log_callback callback) : callback_(std::move(callback)) {}

 protected:
  void sink_it_(const details::log_msg& record) override { callback_(record); }
  void flush_() override {}

 private:
  const custom_log_callback callback_;
};

// Gives each record to other sinks.
template <class Mutex>
class dist_sink : public base_sink<Mutex> {
 public:
  dist_sink() = default;
  explicit dist_sink(std::vector<std::shared_ptr<sink>> to) : sinks_(std::move(to)) {}

  void add_sink(std::shared_ptr<sink> to) {
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    sinks_.push_back(std::move(to));
  }
  void remove_sink(const std::shared_ptr<sink>& which) {
    const details::drained before;
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    sinks_.erase(std::remove(sinks_.begin(), sinks_.end(), which), sinks_.end());
  }
  void set_sinks(std::vector<std::shared_ptr<sink>> to) {
    const details::drained before;
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    sinks_ = std::move(to);
  }
  std::vector<std::shared_ptr<sink>>& sinks() { return sinks_; }

 protected:
  void sink_it_(const details::log_msg& record) override {
    for (const auto& to : sinks_) {
      if (to->should_log(record.level)) to->log(record);
    }
  }
  void flush_() override {
    for (const auto& to : sinks_) to->flush();
  }
  void set_pattern_(const std::string& pattern) override {
    set_formatter_(std::make_unique<pattern_formatter>(pattern));
  }
  void set_formatter_(std::unique_ptr<formatter> sink_formatter) override {
    base_sink<Mutex>::formatter_ = std::move(sink_formatter);
    for (const auto& to : sinks_) to->set_formatter(base_sink<Mutex>::formatter_->clone());
  }
  std::vector<std::shared_ptr<sink>> sinks_;
};

// Keeps the last records.
template <class Mutex>
class ringbuffer_sink final : public base_sink<Mutex> {
 public:
  explicit ringbuffer_sink(std::size_t records_max) : records_max_(records_max) {}

  // The newest `limit` of them, the oldest first; 0: all. As of what has been delivered: flush the
  // logger first.
  [[nodiscard]] std::vector<details::log_msg_buffer> last_raw(std::size_t limit = 0) {
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    return {records_.end() - static_cast<std::ptrdiff_t>(count(limit)), records_.end()};
  }
  [[nodiscard]] std::vector<std::string> last_formatted(std::size_t limit = 0) {
    const std::lock_guard<Mutex> lock(base_sink<Mutex>::mutex_);
    std::vector<std::string> lines;
    for (std::size_t i = records_.size() - count(limit); i < records_.size(); ++i) {
      memory_buf_t line;
      base_sink<Mutex>::formatter_->format(records_[i], line);
      lines.emplace_back(line.data(), line.size());
    }
    return lines;
  }

 protected:
  void sink_it_(const details::log_msg& record) override {
    if (records_max_ == 0) return;
    if (records_.size() == records_max_) records_.erase(records_.begin());
    records_.emplace_back(record);
  }
  void flush_() override {}

 private:
  [[nodiscard]] std::size_t count(std::size_t limit) const {
    return limit == 0 ? records_.size() : std::min(limit, records_.size());
  }
  const std::size_t records_max_;
  std::vector<details::log_msg_buffer> records_;
};

using null_sink_mt = null_sink<std::mutex>;
using null_sink_st = null_sink<details::null_mutex>;
using stdout_sink_mt = standard_sink<1, false>;
using stdout_sink_st = stdout_sink_mt;
using stderr_sink_mt = standard_sink<2, false>;
using stderr_sink_st = stderr_sink_mt;
using stdout_color_sink_mt = standard_sink<1, true>;
using stdout_color_sink_st = stdout_color_sink_mt;
using stderr_color_sink_mt = standard_sink<2, true>;
using stderr_color_sink_st = stderr_color_sink_mt;
using ansicolor_stdout_sink_mt = stdout_color_sink_mt;
using ansicolor_stdout_sink_st = stdout_color_sink_mt;
using ansicolor_stderr_sink_mt = stderr_color_sink_mt;
using ansicolor_stderr_sink_st = stderr_color_sink_mt;
using ostream_sink_mt = ostream_sink<std::mutex>;
using ostream_sink_st = ostream_sink<details::null_mutex>;
using callback_sink_mt = callback_sink<std::mutex>;
using callback_sink_st = callback_sink<details::null_mutex>;
using dist_sink_mt = dist_sink<std::mutex>;
using dist_sink_st = dist_sink<details::null_mutex>;
using ringbuffer_sink_mt = ringbuffer_sink<std::mutex>;
using ringbuffer_sink_st = ringbuffer_sink<details::null_mutex>;

}  // namespace sinks

using sink_ptr = std::shared_ptr<sinks::sink>;
using sinks_init_list = std::initializer_list<sink_ptr>;

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_SINKS_H_
