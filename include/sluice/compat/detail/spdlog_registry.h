// The shim for spdlog: the loggers by name, and what holds for all of them.
//
// Threading: thread-safe. No function of a logger or a sink is called under the registry's mutex.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_REGISTRY_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_REGISTRY_H_

#include <condition_variable>
#include <optional>
#include <thread>

#include "sluice/compat/detail/spdlog_logger.h"

namespace spdlog {
inline namespace sluice_shim {

class registry {
 public:
  using loggers = std::vector<std::shared_ptr<logger>>;

  // Never destroyed: shutdown() ends it, at the latest when the process does.
  static registry& instance() {
    static registry* const made = new registry;
    return *made;
  }

  void register_logger(std::shared_ptr<logger> added) {
    const std::lock_guard lock(mutex_);
    add(std::move(added));
  }
  // Gives it what holds for all, and registers it unless that is turned off.
  void initialize_logger(std::shared_ptr<logger> added) {
    std::unique_lock lock(mutex_);
    if (register_all_ && loggers_.count(added->name()) != 0) raise_taken(added->name());
    const auto own = levels_.find(added->name());
    const level::level_enum level = own != levels_.end() ? own->second : level_;
    const level::level_enum flush_level = flush_level_;
    const std::size_t backtrace = backtrace_max_;
    const err_handler handler = handler_;
    auto formatter = formatter_->clone();
    lock.unlock();

    added->set_formatter(std::move(formatter));
    if (handler) added->set_error_handler(handler);
    added->set_level(level);
    added->flush_on(flush_level);
    if (backtrace != 0) added->enable_backtrace(backtrace);
    lock.lock();
    if (register_all_) add(std::move(added));
  }
  [[nodiscard]] std::shared_ptr<logger> get(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = loggers_.find(name);
    return found != loggers_.end() ? found->second : nullptr;
  }
  [[nodiscard]] std::shared_ptr<logger> default_logger() {
    const std::lock_guard lock(mutex_);
    return default_;
  }
  // After shutdown(): one without sinks. What it gets is Sluice's to write.
  [[nodiscard]] logger* default_raw() {
    // relaxed: who replaces the default logger while others log through it must keep it alive, and
    // tells them by means of its own, as in spdlog
    logger* const now = default_raw_.load(std::memory_order_relaxed);
    return now != nullptr ? now : without_sinks();
  }
  // The one before is no longer registered by this, as in spdlog.
  void set_default(std::shared_ptr<logger> to) {
    std::shared_ptr<logger> before;  // destroyed outside of the lock
    {
      const std::lock_guard lock(mutex_);
      if (default_) {
        const auto found = loggers_.find(default_->name());
        if (found != loggers_.end()) loggers_.erase(found);
      }
      if (to) loggers_[to->name()] = to;
      before = std::exchange(default_, std::move(to));
      default_raw_.store(default_.get(), std::memory_order_relaxed);
      details::engine::instance().set_default(default_.get());
    }
  }

  void set_formatter(std::unique_ptr<formatter> to) {
    for (const auto& each : all()) each->set_formatter(to->clone());
    const std::lock_guard lock(mutex_);
    formatter_ = std::move(to);
  }
  void enable_backtrace(std::size_t records_max) {
    {
      const std::lock_guard lock(mutex_);
      backtrace_max_ = records_max;
    }
    for (const auto& each : all()) each->enable_backtrace(records_max);
  }
  void set_level(level::level_enum level) {
    {
      const std::lock_guard lock(mutex_);
      level_ = level;
    }
    for (const auto& each : all()) each->set_level(level);
  }
  // Of loggers by name; `global`: of the others, those to come too.
  void set_levels(std::map<std::string, level::level_enum> levels,
                  std::optional<level::level_enum> global) {
    {
      const std::lock_guard lock(mutex_);
      levels_ = levels;
      if (global) level_ = *global;
    }
    for (const auto& each : all()) {
      const auto own = levels.find(each->name());
      if (own != levels.end()) {
        each->set_level(own->second);
      } else if (global) {
        each->set_level(*global);
      }
    }
  }
  void flush_on(level::level_enum level) {
    {
      const std::lock_guard lock(mutex_);
      flush_level_ = level;
    }
    for (const auto& each : all()) each->flush_on(level);
  }
  void set_error_handler(err_handler handler) {
    {
      const std::lock_guard lock(mutex_);
      handler_ = handler;
    }
    for (const auto& each : all()) each->set_error_handler(handler);
  }
  void set_automatic_registration(bool on) {
    const std::lock_guard lock(mutex_);
    register_all_ = on;
  }

  template <class Function>
  void apply_all(Function&& function) {
    for (const auto& each : all()) function(each);
  }

  // One thread flushes all registered loggers at this interval; 0: none does.
  void flush_every(std::chrono::nanoseconds interval) {
    stop_flusher();
    if (interval <= std::chrono::nanoseconds::zero()) return;
    const std::lock_guard lock(flusher_mutex_);
    flusher_ends_ = false;
    flusher_ = std::thread([this, interval] {
      std::unique_lock waiting(flusher_mutex_);
      while (!flusher_wakes_.wait_for(waiting, interval, [this] { return flusher_ends_; })) {
        waiting.unlock();
        for (const auto& each : all()) each->flush();
        waiting.lock();
      }
    });
  }

  void drop(const std::string& name) {
    std::shared_ptr<logger> dropped;  // destroyed outside of the lock
    std::shared_ptr<logger> was_default;
    {
      const std::lock_guard lock(mutex_);
      const auto found = loggers_.find(name);
      if (found != loggers_.end()) {
        dropped = std::move(found->second);
        loggers_.erase(found);
      }
      if (default_ && default_->name() == name) was_default = forget_default();
    }
  }
  void drop_all() {
    std::map<std::string, std::shared_ptr<logger>> dropped;
    std::shared_ptr<logger> was_default;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(loggers_);
      was_default = forget_default();
    }
  }
  void shutdown() {
    stop_flusher();
    for (const auto& each : all()) each->flush();
    drop_all();
  }

 private:
  registry() : formatter_(std::make_unique<pattern_formatter>()) {
    auto made = std::make_shared<logger>("", std::make_shared<sinks::stdout_color_sink_mt>());
    loggers_[""] = made;
    default_ = std::move(made);
    default_raw_.store(default_.get(), std::memory_order_relaxed);
    details::engine::instance().set_default(default_.get());
    details::engine::instance().at_exit([] { instance().shutdown(); });
  }

  [[noreturn]] static void raise_taken(const std::string& name) {
    details::raise(spdlog_ex("a logger named '" + name + "' is registered already"));
  }
  void add(std::shared_ptr<logger> added) {
    const std::string& name = added->name();
    if (!loggers_.emplace(name, added).second) raise_taken(name);
  }
  [[nodiscard]] loggers all() {
    const std::lock_guard lock(mutex_);
    loggers some;
    for (const auto& [name, each] : loggers_) some.push_back(each);
    return some;
  }
  [[nodiscard]] std::shared_ptr<logger> forget_default() {
    default_raw_.store(nullptr, std::memory_order_relaxed);
    details::engine::instance().set_default(nullptr);
    return std::move(default_);
  }
  static logger* without_sinks() {
    static logger* const made = new logger("");
    return made;
  }
  void stop_flusher() {
    std::thread ending;
    {
      const std::lock_guard lock(flusher_mutex_);
      flusher_ends_ = true;
      ending.swap(flusher_);
    }
    flusher_wakes_.notify_all();
    if (ending.joinable()) ending.join();
  }

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<logger>> loggers_;
  std::shared_ptr<logger> default_;
  std::atomic<logger*> default_raw_{nullptr};
  std::unique_ptr<formatter> formatter_;
  std::map<std::string, level::level_enum> levels_;
  level::level_enum level_ = level::info;
  level::level_enum flush_level_ = level::off;
  err_handler handler_;
  std::size_t backtrace_max_ = 0;
  bool register_all_ = true;

  std::mutex flusher_mutex_;
  std::condition_variable flusher_wakes_;
  bool flusher_ends_ = false;
  std::thread flusher_;
};

// How a factory function makes its logger.
struct synchronous_factory {
  template <class Sink, class... A>
  static std::shared_ptr<logger> create(std::string name, A&&... argument) {
    auto made = std::make_shared<logger>(std::move(name),
                                         std::make_shared<Sink>(std::forward<A>(argument)...));
    registry::instance().initialize_logger(made);
    return made;
  }
};

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_REGISTRY_H_
