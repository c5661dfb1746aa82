// The shim for spdlog: its small types. Start at sluice/compat/spdlog.h.
//
// The inline namespace gives every symbol a name of its own: a program may link a library that has
// the real spdlog inside.
#ifndef SLUICE_COMPAT_DETAIL_SPDLOG_COMMON_H_
#define SLUICE_COMPAT_DETAIL_SPDLOG_COMMON_H_

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(SPDLOG_USE_STD_FORMAT)
#error "sluice/compat/spdlog.h formats by fmt: compile without SPDLOG_USE_STD_FORMAT"
#endif
#if defined(SPDLOG_WCHAR_FILENAMES) || defined(SPDLOG_WCHAR_TO_UTF8_SUPPORT)
#error "sluice/compat/spdlog.h has no wide characters"
#endif

// The interface is that of this version.
#define SPDLOG_VER_MAJOR 1
#define SPDLOG_VER_MINOR 10
#define SPDLOG_VER_PATCH 0
#define SPDLOG_VERSION (SPDLOG_VER_MAJOR * 10000 + SPDLOG_VER_MINOR * 100 + SPDLOG_VER_PATCH)
#define SPDLOG_FMT_EXTERNAL

#define SPDLOG_LEVEL_TRACE 0
#define SPDLOG_LEVEL_DEBUG 1
#define SPDLOG_LEVEL_INFO 2
#define SPDLOG_LEVEL_WARN 3
#define SPDLOG_LEVEL_ERROR 4
#define SPDLOG_LEVEL_CRITICAL 5
#define SPDLOG_LEVEL_OFF 6

#define SPDLOG_FUNCTION static_cast<const char*>(__func__)

namespace spdlog {
inline namespace sluice_shim {

namespace fmt_lib = ::fmt;

using filename_t = std::string;
using string_view_t = fmt::basic_string_view<char>;
using memory_buf_t = fmt::basic_memory_buffer<char, 250>;
template <class... A>
using format_string_t = fmt::format_string<A...>;
using log_clock = std::chrono::system_clock;
using err_handler = std::function<void(const std::string& message)>;

namespace level {

enum level_enum : int {
  trace = SPDLOG_LEVEL_TRACE,
  debug = SPDLOG_LEVEL_DEBUG,
  info = SPDLOG_LEVEL_INFO,
  warn = SPDLOG_LEVEL_WARN,
  err = SPDLOG_LEVEL_ERROR,
  critical = SPDLOG_LEVEL_CRITICAL,
  off = SPDLOG_LEVEL_OFF,
  n_levels
};

inline constexpr std::array<std::string_view, n_levels> kNames{
    "trace", "debug", "info", "warning", "error", "critical", "off"};

[[nodiscard]] inline string_view_t to_string_view(level_enum of) noexcept {
  const std::string_view name = kNames[static_cast<std::size_t>(of)];
  return {name.data(), name.size()};
}
[[nodiscard]] inline const char* to_short_c_str(level_enum of) noexcept {
  static constexpr std::array<const char*, n_levels> kLetters{"T", "D", "I", "W", "E", "C", "O"};
  return kLetters[static_cast<std::size_t>(of)];
}
// What is no level turns everything off.
[[nodiscard]] inline level_enum from_str(const std::string& name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<level_enum>(i);
  }
  if (name == "warn") return warn;
  if (name == "err") return err;
  return off;
}

}  // namespace level

enum class color_mode { always, automatic, never };
enum class pattern_time_type { local, utc };

// Thrown where a logger or a sink cannot be made, never by a call that logs.
class spdlog_ex : public std::exception {
 public:
  explicit spdlog_ex(std::string what) : what_(std::move(what)) {}
  spdlog_ex(const std::string& what, int os_error) : what_(what + ": " + std::strerror(os_error)) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

// The texts must live as long as the program: literals.
struct source_loc {
  constexpr source_loc() = default;
  constexpr source_loc(const char* filename_in, int line_in, const char* funcname_in)
      : filename(filename_in), line(line_in), funcname(funcname_in) {}
  [[nodiscard]] constexpr bool empty() const noexcept { return line == 0; }

  const char* filename = nullptr;
  int line = 0;
  const char* funcname = nullptr;
};

struct file_event_handlers {
  std::function<void(const filename_t& filename)> before_open;
  std::function<void(const filename_t& filename, std::FILE* stream)> after_open;
  std::function<void(const filename_t& filename, std::FILE* stream)> before_close;
  std::function<void(const filename_t& filename)> after_close;
};

namespace details {

using std::make_unique;

// A sink of "one thread" has two here: the program's, which sets it up, and Sluice's, which writes.
struct null_mutex : std::mutex {};

[[noreturn]] inline void raise(spdlog_ex error) {
#if defined(__cpp_exceptions)
  throw error;
#else
  std::fprintf(stderr, "%s\n", error.what());
  std::abort();
#endif
}

// Runs `code`; what it throws goes to `caught` as a text.
template <class Code, class Caught>
void guarded(Code&& code, Caught&& caught) {
#if defined(__cpp_exceptions)
  try {
    code();
  } catch (const std::exception& thrown) {
    caught(std::string(thrown.what()));
  } catch (...) {  // anything may be thrown by a type or a sink of the user's
    caught(std::string("an exception of an unknown type"));
  }
#else
  (void)caught;
  code();
#endif
}

// A record as sinks get it. The views live until the sink returns.
struct log_msg {
  log_msg() = default;
  log_msg(log_clock::time_point time_in, source_loc source_in, string_view_t logger,
          level::level_enum level_in, string_view_t message)
      : logger_name(logger), level(level_in), time(time_in), source(source_in), payload(message) {}
  log_msg(string_view_t logger, level::level_enum level_in, string_view_t message)
      : log_msg(log_clock::now(), {}, logger, level_in, message) {}

  string_view_t logger_name;
  level::level_enum level = level::off;
  log_clock::time_point time;
  std::size_t thread_id = 0;
  // Bytes of the formatted line that get the level's colour; set by the formatter.
  mutable std::size_t color_range_start = 0;
  mutable std::size_t color_range_end = 0;
  source_loc source;
  string_view_t payload;
};

// The same with texts of its own.
class log_msg_buffer : public log_msg {
 public:
  explicit log_msg_buffer(const log_msg& from) : log_msg(from) {
    text_.append(from.logger_name.data(), from.logger_name.size());
    text_.append(from.payload.data(), from.payload.size());
    point();
  }
  log_msg_buffer(const log_msg_buffer& from) : log_msg(from), text_(from.text_) { point(); }
  log_msg_buffer(log_msg_buffer&& from) noexcept : log_msg(from), text_(std::move(from.text_)) {
    point();
  }
  log_msg_buffer& operator=(log_msg_buffer from) noexcept {
    log_msg::operator=(from);
    text_ = std::move(from.text_);
    point();
    return *this;
  }

 private:
  void point() noexcept {
    logger_name = {text_.data(), logger_name.size()};
    payload = {text_.data() + logger_name.size(), payload.size()};
  }
  std::string text_;
};

[[nodiscard]] inline int process_id() noexcept { return static_cast<int>(::getpid()); }
[[nodiscard]] inline bool is_terminal(std::FILE* stream) noexcept {
  return ::isatty(::fileno(stream)) != 0;
}

inline void append(memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

}  // namespace details
}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_DETAIL_SPDLOG_COMMON_H_
