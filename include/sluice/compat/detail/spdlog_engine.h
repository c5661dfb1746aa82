// The shim for spdlog: between its loggers and Sluice.
//
//   a call ── text ──► Sluice's ring ──► journal ──► callback sink ──► the logger of that name
//                                                                        └─► its sinks
//
// A logger is found by the name it has in Sluice, which differs from spdlog's ("net#2") only while
// another logger of that name lives. Sluice's own records come here too, so that a program that is
// half migrated has one output: they go to the spdlog logger of the same name, else to the default
// logger. What Sluice itself reports (drops, above all) goes to the error handler.
//
// Threading: publish() and drain() from any thread; endpoints are called on a thread of Sluice's,
// one record at a time, under the table's mutex: whoever has removed an endpoint may destroy it.
// drain() waits for that thread and is called with no lock held that the thread could want.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_ENGINE_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_ENGINE_H_

#include <atomic>
#include <map>
#include <set>

#include "sluice/compat/detail/spdlog_common.h"
#include "sluice/detail/level_sites.h"
#include "sluice/sluice.h"

namespace spdlog {
inline namespace sluice_shim {
namespace details {

// A logger, as delivery sees it.
class endpoint {
 public:
  virtual ~endpoint() = default;
  // `foreign`: said to Sluice and not through the shim, so not yet held against a logger's level.
  virtual void deliver(log_msg& record, bool foreign) = 0;
  virtual void report(const std::string& problem) = 0;
};

class engine {
 public:
  // Never destroyed: records may come until the process ends.
  static engine& instance() {
    static engine* const made = new engine;
    return *made;
  }

  // The callback sink that brings records back here; a program that calls sluice::start() itself
  // puts it among its sinks, before its first record.
  [[nodiscard]] sluice::Sink sink() {
    const std::lock_guard lock(starting_);
    programs_start_ = true;
    return make_sink();
  }

  // Returns the name that Sluice knows it by.
  std::string add(endpoint& to, const std::string& name) {
    // Sluice cuts longer names. It keeps no more than 511, those of the program's own among them.
    constexpr std::size_t kNameBytesMax = 100, kNamesMax = 480;
    const std::lock_guard lock(table_mutex_);
    const std::string base = name.substr(0, kNameBytesMax);
    std::string own = base;
    for (int i = 2; own == kReports || table_.count(own) != 0; ++i) {
      own = base + "#" + std::to_string(i);
    }
    if (names_.size() >= kNamesMax && names_.count(own) == 0) {
      raise(spdlog_ex("logger '" + name + "': a process has at most " + std::to_string(kNamesMax) +
                      " names of loggers"));
    }
    names_.insert(own);
    table_[own] = &to;
    return own;
  }

  // What was said through it before is delivered.
  void remove(const std::string& name) {
    const bool complete = drain();
    const std::lock_guard lock(table_mutex_);
    const auto found = table_.find(name);
    if (found == table_.end()) return;
    if (!complete) found->second->report("ends before all of its records are written");
    if (default_ == found->second) default_ = nullptr;
    table_.erase(found);
  }

  // Gets what no logger of the name is there for; null: nobody does.
  void set_default(endpoint* to) {
    const std::lock_guard lock(table_mutex_);
    default_ = to;
  }

  // Never blocks; the first call of a process starts Sluice.
  void publish(sluice::Logger& logger, level::level_enum level, const source_loc& source,
               std::string_view text) noexcept {
    static constexpr sluice::Level kLevels[] = {sluice::Level::trace, sluice::Level::debug,
                                                sluice::Level::info,  sluice::Level::warning,
                                                sluice::Level::error, sluice::Level::critical};
    if (level < level::trace || level >= level::off) return;
    // relaxed: only says whether start() has been here; what it made is found through Sluice
    if (!started_.load(std::memory_order_relaxed)) start();
    const sluice::Level as = kLevels[static_cast<std::size_t>(level)];
    if (source.empty()) {
      (void)Texts::log(as, logger, text);
      return;
    }
    // OpenTelemetry's names of these.
    (void)PlacedTexts::log(as, logger, text, sluice::kv(kFile, source.filename),
                           sluice::kv(kLine, source.line), sluice::kv(kFunction, source.funcname));
  }

  // Waits until all that was said has been through the sinks; on Sluice's own thread returns at
  // once, and where Sluice has stopped. False: a sink was not done after 5 s.
  bool drain() noexcept {
    if (!started_.load(std::memory_order_relaxed)) return true;
    return sluice::flush(sluice::Reach::written).behind == 0;
  }

  // Run when the process ends, before Sluice stops.
  void at_exit(void (*handler)()) {
    const std::lock_guard lock(starting_);
    at_exit_ = handler;
  }

 private:
  using Texts = sluice::detail::LevelSites<struct SpdlogText, 0>;
  using PlacedTexts = sluice::detail::LevelSites<struct SpdlogPlacedText, 0>;
  static constexpr const char* kReports = "sluice";  // the logger of its reports
  static constexpr char kFile[] = "code.file.path";
  static constexpr char kLine[] = "code.line.number";
  static constexpr char kFunction[] = "code.function.name";

  engine() = default;

  sluice::Sink make_sink() {
    // Required: a file that is slow to write gets every record that the rings had room for.
    return sluice::callback(received, this, {.need = sluice::Sink::Need::required});
  }

  void start() noexcept {
    const std::lock_guard lock(starting_);
    if (started_.load(std::memory_order_relaxed)) return;
    if (!programs_start_) {
      const bool runs =
          sluice::start({.level = sluice::Level::trace, .sinks = {make_sink()}, .quiet = true});
      if (!runs) {
        const std::string_view why = sluice::last_error();
        std::fprintf(stderr,
                     "spdlog on Sluice: no logger writes anything: %.*s. A program that calls "
                     "sluice::start() gives it spdlog::sluice_sink() before the first record\n",
                     static_cast<int>(why.size()), why.data());
      }
    }
    // Sluice registers its own handler with the first ring: those registered later run earlier.
    (void)sluice::prepare_thread();
    std::atexit([] {
      if (instance().at_exit_ != nullptr) instance().at_exit_();
    });
    started_.store(true, std::memory_order_relaxed);
  }

  static level::level_enum level_of(sluice::Level level) noexcept {
    if (level >= sluice::Level::critical) return level::critical;
    if (level >= sluice::Level::error) return level::err;
    if (level >= sluice::Level::warning) return level::warn;
    if (level >= sluice::Level::info) return level::info;
    return level >= sluice::Level::debug ? level::debug : level::trace;
  }

  static void received(const sluice::CallbackRecord& record, void* self) {
    static_cast<engine*>(self)->receive(record);
  }

  void receive(const sluice::CallbackRecord& record) {
    const std::lock_guard lock(table_mutex_);
    const auto found = table_.find(record.logger);
    endpoint* const to = found != table_.end() ? found->second : default_;
    if (to == nullptr) return;
    const std::string_view text = record.raw.empty() ? record.message : record.raw;
    if (found == table_.end() && record.logger == kReports) {
      if (record.level >= sluice::Level::warning) to->report(std::string(text));
      return;
    }
    log_msg message;
    message.logger_name = {record.logger.data(), record.logger.size()};
    message.level = level_of(record.level);
    message.time = log_clock::time_point(
        std::chrono::duration_cast<log_clock::duration>(std::chrono::nanoseconds(record.unix_ns)));
    message.thread_id = record.thread_id;
    message.payload = {text.data(), text.size()};
    message.source = source_of(record.json);
    to->deliver(message, found == table_.end() || record.raw.empty());
  }

  static bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

  // The value behind a member's name; such a name with its quotes stands in no JSON string.
  static std::string_view member(std::string_view json, std::string_view name) {
    const std::size_t at = json.rfind(name);  // fields stand behind the message
    if (at == std::string_view::npos) return {};
    json.remove_prefix(at + name.size());
    std::size_t size = 0;
    const bool is_text = json.starts_with('"');
    if (is_text) json.remove_prefix(1);
    while (size < json.size() && (is_text ? json[size] != '"' : is_digit(json[size]))) {
      size += json[size] == '\\' ? 2U : 1U;
    }
    return json.substr(0, size);
  }

  // Texts for good: sinks keep pointers to them. As many as the program has files and functions.
  const char* kept(std::string_view text) {
    const auto found = texts_.find(text);
    return (found != texts_.end() ? found : texts_.emplace(text).first)->c_str();
  }

  source_loc source_of(std::string_view json) {
    const std::string_view line = member(json, "\"code.line.number\":");
    if (line.empty()) return {};
    return {kept(member(json, "\"code.file.path\":")), std::atoi(std::string(line).c_str()),
            kept(member(json, "\"code.function.name\":"))};
  }

  std::mutex starting_;
  bool programs_start_ = false;
  std::atomic<bool> started_{false};
  void (*at_exit_)() = nullptr;

  // Recursive: a sink may make a logger while it writes.
  std::recursive_mutex table_mutex_;
  std::map<std::string, endpoint*, std::less<>> table_;
  std::set<std::string, std::less<>> names_;  // ever in the table
  std::set<std::string, std::less<>> texts_;
  endpoint* default_ = nullptr;
};

// What a sink's settings are changed under: nothing said before it is left to write. Inner ones of
// the thread wait for nothing, since the outer one's locks may be what delivery waits for.
class drained {
 public:
  drained() {
    if (depth()++ == 0) engine::instance().drain();
  }
  ~drained() { --depth(); }
  drained(const drained&) = delete;
  drained& operator=(const drained&) = delete;

 private:
  static int& depth() {
    thread_local int depth = 0;
    return depth;
  }
};

}  // namespace details

// For a program that starts Sluice itself, with other sinks beside:
//
//     sluice::start({.level = sluice::Level::trace,
//                    .sinks = {spdlog::sluice_sink(), sluice::text_file("all.log")}});
[[nodiscard]] inline sluice::Sink sluice_sink() { return details::engine::instance().sink(); }

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_ENGINE_H_
