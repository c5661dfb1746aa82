// The shim for spdlog: its logger.
//
// A call makes its text by fmt in the caller, as spdlog does, and leaves it in Sluice's ring: it
// never waits for a sink. The sinks run on a thread of Sluice's, in the order of one thread's
// calls.
//
// Threading: calls from any thread; the sinks and handlers are set up by one thread at a time, as
// in spdlog. flush(), dump_backtrace() and the destructor wait for delivery.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_LOGGER_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_LOGGER_H_

#include <deque>
#include <vector>

#include "sluice/compat/detail/spdlog_sinks.h"

namespace spdlog {
inline namespace sluice_shim {
namespace details {

// Says it on standard error, at most once a second, with how many were not said.
inline void report_by_default(const std::string& logger, const std::string& message) {
  static std::mutex mutex;
  static log_clock::time_point said;
  static unsigned long unsaid = 0;
  const std::lock_guard lock(mutex);
  const log_clock::time_point now = log_clock::now();
  if (now - said < std::chrono::seconds(1)) {
    ++unsaid;
    return;
  }
  std::fprintf(stderr, "spdlog: logger '%s': %s (%lu more before)\n", logger.c_str(),
               message.c_str(), std::exchange(unsaid, 0UL));
  said = now;
}

using runtime_format = decltype(fmt::runtime(std::declval<fmt::string_view>()));
template <class T>
inline constexpr bool kIsText = std::is_convertible_v<const T&, string_view_t>;
template <class T>
inline constexpr bool kIsMessage = !std::is_same_v<std::remove_cvref_t<T>, source_loc> &&
                                   !std::is_same_v<std::remove_cvref_t<T>, level::level_enum>;

}  // namespace details

class logger final : details::endpoint {
 public:
  explicit logger(std::string name) : logger(std::move(name), sinks_init_list{}) {}
  logger(std::string name, sink_ptr sink) : logger(std::move(name), {std::move(sink)}) {}
  logger(std::string name, sinks_init_list sinks)
      : logger(std::move(name), sinks.begin(), sinks.end()) {}
  template <class It>
  logger(std::string name, It begin, It end)
      : name_(std::move(name)),
        sinks_(begin, end),
        known_as_(details::engine::instance().add(*this, name_)),
        handle_(known_as_) {}
  ~logger() override { details::engine::instance().remove(known_as_); }
  logger(const logger&) = delete;
  logger& operator=(const logger&) = delete;

  // A text with arguments.
  template <class First, class... A>
  void log(source_loc source, level::level_enum level, format_string_t<First, A...> format,
           First&& first, A&&... rest) {
    if (!wanted(level)) return;
    put(source, level, [&](memory_buf_t& to) {
      fmt::vformat_to(fmt::appender(to), format, fmt::make_format_args(first, rest...));
    });
  }
  template <class First, class... A>
  void log(level::level_enum level, format_string_t<First, A...> format, First&& first,
           A&&... rest) {
    log(source_loc{}, level, format, std::forward<First>(first), std::forward<A>(rest)...);
  }
  // A message: a text as it stands, or the text of a value.
  template <class T>
    requires details::kIsMessage<T>
  void log(source_loc source, level::level_enum level, const T& message) {
    if (!wanted(level)) return;
    if constexpr (details::kIsText<T>) {
      const string_view_t text = message;
      details::engine::instance().publish(handle_, level, source, {text.data(), text.size()});
    } else if constexpr (std::is_same_v<T, details::runtime_format>) {
      put(source, level, [&](memory_buf_t& to) {
        fmt::vformat_to(fmt::appender(to), fmt::format_string<>(message), fmt::make_format_args());
      });
    } else {
      put(source, level,
          [&](memory_buf_t& to) { fmt::format_to(fmt::appender(to), "{}", message); });
    }
  }
  template <class T>
    requires details::kIsMessage<T>
  void log(level::level_enum level, const T& message) {
    log(source_loc{}, level, message);
  }

#define SLUICE_COMPAT_LEVEL_FUNCTION_(name, level_name)                        \
  template <class First, class... A>                                           \
  void name(format_string_t<First, A...> format, First&& first, A&&... rest) { \
    log(source_loc{}, level::level_name, format, std::forward<First>(first),   \
        std::forward<A>(rest)...);                                             \
  }                                                                            \
  template <class T>                                                           \
  void name(const T& message) {                                                \
    log(source_loc{}, level::level_name, message);                             \
  }
  SLUICE_COMPAT_LEVEL_FUNCTION_(trace, trace)
  SLUICE_COMPAT_LEVEL_FUNCTION_(debug, debug)
  SLUICE_COMPAT_LEVEL_FUNCTION_(info, info)
  SLUICE_COMPAT_LEVEL_FUNCTION_(warn, warn)
  SLUICE_COMPAT_LEVEL_FUNCTION_(error, err)
  SLUICE_COMPAT_LEVEL_FUNCTION_(critical, critical)
#undef SLUICE_COMPAT_LEVEL_FUNCTION_

  [[nodiscard]] bool should_log(level::level_enum level) const { return level >= this->level(); }
  [[nodiscard]] bool should_backtrace() const {
    // relaxed: a switch orders nothing
    return backtrace_on_.load(std::memory_order_relaxed);
  }
  void set_level(level::level_enum level) {
    // Delivery tells by the level what is for the backtrace only.
    if (should_backtrace()) details::engine::instance().drain();
    level_.store(level, std::memory_order_relaxed);
  }
  [[nodiscard]] level::level_enum level() const { return level_.load(std::memory_order_relaxed); }
  [[nodiscard]] const std::string& name() const { return name_; }

  void set_formatter(std::unique_ptr<formatter> sinks_formatter) {
    const details::drained before;
    for (const sink_ptr& sink : sinks_) sink->set_formatter(sinks_formatter->clone());
  }
  void set_pattern(std::string pattern, pattern_time_type time_type = pattern_time_type::local) {
    set_formatter(std::make_unique<pattern_formatter>(std::move(pattern), time_type));
  }

  // Keeps the last records that were said at any level, for dump_backtrace().
  void enable_backtrace(std::size_t records_max) {
    details::engine::instance().drain();
    const std::lock_guard lock(backtrace_mutex_);
    backtrace_max_ = records_max;
    backtrace_.clear();
    backtrace_on_.store(records_max != 0, std::memory_order_relaxed);
  }
  void disable_backtrace() { enable_backtrace(0); }
  // Gives them to the sinks, the oldest first, and forgets them.
  void dump_backtrace() {
    if (!should_backtrace()) return;
    details::engine::instance().drain();
    std::deque<details::log_msg_buffer> records;
    {
      const std::lock_guard lock(backtrace_mutex_);
      records.swap(backtrace_);
    }
    mark_backtrace(fmt::format("backtrace: the last {} records:", records.size()));
    for (const details::log_msg_buffer& record : records) give_to_sinks(record);
    mark_backtrace("backtrace: end");
  }

  // Waits until all that was said is written, then flushes the sinks.
  void flush() {
    details::engine::instance().drain();
    flush_sinks();
  }
  // Sinks are flushed behind each record of this level or above; nobody waits for it.
  void flush_on(level::level_enum level) { flush_level_.store(level, std::memory_order_relaxed); }
  [[nodiscard]] level::level_enum flush_level() const {
    return flush_level_.load(std::memory_order_relaxed);
  }

  // To be changed while no other thread logs.
  [[nodiscard]] std::vector<sink_ptr>& sinks() {
    details::engine::instance().drain();
    return sinks_;
  }
  [[nodiscard]] const std::vector<sink_ptr>& sinks() const { return sinks_; }

  // Gets what could not be formatted or written, and what Sluice had to drop.
  void set_error_handler(err_handler handler) {
    const std::lock_guard lock(handler_mutex_);
    handler_ = std::move(handler);
  }

  [[nodiscard]] std::shared_ptr<logger> clone(std::string name) const {
    auto made = std::make_shared<logger>(std::move(name), sinks_.begin(), sinks_.end());
    made->set_level(level());
    made->flush_on(flush_level());
    {
      const std::lock_guard lock(handler_mutex_);
      made->handler_ = handler_;
    }
    const std::lock_guard lock(backtrace_mutex_);
    if (backtrace_max_ != 0) made->enable_backtrace(backtrace_max_);
    return made;
  }

 private:
  friend class registry;

  [[nodiscard]] bool wanted(level::level_enum level) const {
    return should_log(level) || should_backtrace();
  }

  template <class Write>
  void put(const source_loc& source, level::level_enum level, Write&& write) {
    details::guarded(
        [&] {
          memory_buf_t text;
          write(text);
          details::engine::instance().publish(handle_, level, source, {text.data(), text.size()});
        },
        [&](const std::string& problem) { report(problem); });
  }

  void deliver(details::log_msg& record, bool foreign) override {
    if (!foreign) record.logger_name = name_;
    if (should_backtrace()) {
      const std::lock_guard lock(backtrace_mutex_);
      if (backtrace_.size() == backtrace_max_) backtrace_.pop_front();
      backtrace_.emplace_back(record);
    }
    if (!should_log(record.level) && (foreign || should_backtrace())) return;
    give_to_sinks(record);
    if (record.level >= flush_level() && record.level != level::off) flush_sinks();
  }
  void give_to_sinks(const details::log_msg& record) {
    for (const sink_ptr& sink : sinks_) {
      if (!sink->should_log(record.level)) continue;
      details::guarded([&] { sink->log(record); },
                       [&](const std::string& problem) { report(problem); });
    }
  }
  void flush_sinks() {
    for (const sink_ptr& sink : sinks_) {
      details::guarded([&] { sink->flush(); },
                       [&](const std::string& problem) { report(problem); });
    }
  }
  void mark_backtrace(const std::string& text) {
    give_to_sinks(details::log_msg(name_, level::info, text));
  }
  void report(const std::string& problem) override {
    err_handler handler;
    {
      const std::lock_guard lock(handler_mutex_);
      handler = handler_;
    }
    if (!handler) return details::report_by_default(name_, problem);
    details::guarded([&] { handler(problem); },
                     [&](const std::string& thrown) {
                       details::report_by_default(name_, "its error handler threw: " + thrown);
                     });
  }

  const std::string name_;
  std::vector<sink_ptr> sinks_;
  std::atomic<level::level_enum> level_{level::info};
  std::atomic<level::level_enum> flush_level_{level::off};

  mutable std::mutex handler_mutex_;
  err_handler handler_;

  std::atomic<bool> backtrace_on_{false};
  mutable std::mutex backtrace_mutex_;
  std::size_t backtrace_max_ = 0;
  std::deque<details::log_msg_buffer> backtrace_;

  // Last: by the first of these delivery knows the logger, all of which must be made then.
  const std::string known_as_;  // its name in Sluice
  sluice::Logger handle_;
};

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_LOGGER_H_
