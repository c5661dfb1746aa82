// Appending to files through an append service: `sluice offlog`, `sluice serve --append-socket`, or
// an original offlog server. The service opens the file and writes; the program never waits for a
// disk.
//
//     auto file = sluice::ProxyFile::open("results.bin").value();
//     file.write(bytes);                              // from any thread, never waits
//     sluice::Status ended = file.close();            // all is in the file, or why not
//
//     auto log = sluice::AppendLogger::open({.name = "my app", .file = "my.log"}).value();
//     log.info("{} of {}", done, all);
//
// A write copies into memory and returns: no lock is held over a system call, and the memory has a
// limit, beyond which writes are refused and counted. One thread a process sends, a millisecond
// after the first byte at most while it keeps up, everything in the order of the writes. That a
// byte has reached the file is known when the service confirms it: at close(), or with
// ProxyOptions::acknowledge as it goes. See docs/append.md.
//
// In a forked child the handles of its parent refuse and count every write and touch nothing of the
// parent's; it opens handles of its own. Not for signal handlers.
#ifndef SLUICE_APPEND_H_
#define SLUICE_APPEND_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/detail/api.h"
#include "sluice/level.h"
#include "sluice/log.h"
#include "sluice/status.h"

namespace sluice {
inline namespace v1 {

namespace detail {
// A call of AppendLogger, but for the values.
struct ShownCall {
  Level level;
  bool exception;
  std::string_view format;
  const ArgType* types;
  const std::string_view* names;
  std::size_t count;
};
}  // namespace detail

struct ProxyOptions {
  std::string socket = "/tmp/offlog.sock";
  // Opening and closing give up when nothing has moved for so long, and after limit_ms in any case.
  std::uint32_t timeout_ms = 5000;
  std::uint32_t limit_ms = 600'000;
  // Of writes that wait to be sent; beyond it they are refused. Taken as it is needed.
  std::uint64_t buffer_bytes = 64 << 20;
  // open() waits until the service has opened the file. Otherwise status() tells later.
  bool block_open = true;
  // When the service goes away: connect anew, with growing pauses, and go on with what was not sent
  // yet. Nothing is sent twice; what was sent and not confirmed is in doubt, and counted.
  bool reconnect = false;
  // The extension that an original server does not have; open() then says so.
  bool records = false;       // each write is in the file whole, whoever else writes to it
  bool acknowledge = false;   // confirmed_bytes grows while the file is open
  bool sync_at_end = false;   // close() confirms what is on the disk
  std::uint32_t sync_ms = 0;  // the service syncs as often; 0: not before the end
};

// Once nothing moves: accepted_bytes == waiting + in_flight + confirmed + in_doubt + unsent. With
// ProxyOptions::records each write counts 4 bytes more than it has.
struct ProxyStatistics {
  std::uint64_t accepted = 0;           // writes
  std::uint64_t refused_full = 0;       // writes: no room in the buffer
  std::uint64_t refused_too_big = 0;    // writes: longer than the buffer, or than a record may be
  std::uint64_t refused_no_memory = 0;  // writes
  std::uint64_t refused_stopped = 0;    // writes: closed, failed, or in a forked child
  std::uint64_t accepted_bytes = 0;
  std::uint64_t waiting_bytes = 0;    // not sent yet
  std::uint64_t in_flight_bytes = 0;  // sent, not confirmed yet
  std::uint64_t confirmed_bytes = 0;  // the service says that they are in the file
  std::uint64_t in_doubt_bytes = 0;   // sent, and the service went without confirming them
  std::uint64_t unsent_bytes = 0;     // accepted, and given up without being sent
  std::uint64_t reconnects = 0;

  [[nodiscard]] std::uint64_t refused() const {
    return refused_full + refused_too_big + refused_no_memory + refused_stopped;
  }
};

// A file that a service appends to. Thread-safe, but for moving, destruction, and calls on a handle
// that was moved from.
class SLUICE_API ProxyFile {
 public:
  // A relative path is one in this process's directory. kRetryable: nobody listens at the socket,
  // or not in time. Any other answer than that the file is open is the Status.
  [[nodiscard]] static Result<ProxyFile> open(std::string_view path,
                                              const ProxyOptions& options = {});
  ProxyFile(ProxyFile&&) noexcept;
  ProxyFile& operator=(ProxyFile&&) noexcept;
  ~ProxyFile();  // close()

  // Never waits. Whole or not at all; bytes of any kind.
  Admission write(std::string_view bytes) noexcept;
  Admission write(const void* bytes, std::size_t size) noexcept {
    return write({static_cast<const char*>(bytes), size});
  }
  // For who would rather wait than have a write refused. False: not in time, or never. Room that
  // other threads may take.
  [[nodiscard]] bool wait_for_room(std::size_t bytes, std::uint32_t timeout_ms) const;

  // Whether the file has been renamed, removed or replaced since the service opened it: it goes on
  // in the old one. Told once a file; stays true.
  [[nodiscard]] bool check_rotated() const;

  // Takes no more writes. block_send: waits until all is sent; else that goes on behind, as long as
  // the process runs. block_close: waits until the service has confirmed it all. Not ok: the first
  // thing that went wrong, and how many bytes it concerns. May be called again.
  Status close(bool block_send = true, bool block_close = true);

  [[nodiscard]] ProxyStatistics statistics() const;
  // The first thing that went wrong; ok when nothing has.
  [[nodiscard]] Status status() const;

 private:
  friend class AppendLogger;
  struct Impl;
  explicit ProxyFile(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

struct AppendLoggerOptions {
  std::string name;                  // stands in each line; empty: none
  std::string file;                  // empty: no file
  Level file_level = Level::debug;   // Level::off: none
  Level stdout_level = Level::info;  // below stderr_level
  Level stderr_level = Level::warning;
  bool local_file = false;  // written here, by the caller's thread
  ProxyOptions service;     // where not
};

struct AppendLoggerStatistics {
  std::uint64_t accepted = 0;        // records for the file
  std::uint64_t refused = 0;         // records that the file did not take
  std::uint64_t console_failed = 0;  // records that standard output or error did not take
  std::uint64_t rotations = 0;       // files reopened
};

// Lines "[2026-01-02 18:55:02.123 name LEVEL] text" into a file, and on standard output and error;
// local time. Texts of several lines stay as they are; bytes that are no UTF-8 become \xNN, but in
// log_text(), which writes the bytes it is given.
//
// The file never makes a call wait (a local one may). Standard output and error are written by the
// caller, which waits for whoever reads them: set their levels to Level::off where that matters.
// No call throws: what the file refuses is counted, and status() says why; only a process without
// any memory left ends in one. Thread-safe as ProxyFile is; the lines of one logger are not mixed.
class SLUICE_API AppendLogger {
 public:
  [[nodiscard]] static Result<AppendLogger> open(const AppendLoggerOptions& options);
  AppendLogger(AppendLogger&&) noexcept;
  AppendLogger& operator=(AppendLogger&&) noexcept;
  ~AppendLogger();  // close()

  // Formats as SLUICE_INFO does; checked by the compiler.
  template <class... A>
  void log(Level level, FormatFor<A...> format, const A&... arg) noexcept {
    if (passes(level)) put(level, false, format.text, detail::Holder<A>{arg}.encode()...);
  }
  template <class... A>
  void debug(FormatFor<A...> format, const A&... arg) noexcept {
    log<A...>(Level::debug, format, arg...);
  }
  template <class... A>
  void info(FormatFor<A...> format, const A&... arg) noexcept {
    log<A...>(Level::info, format, arg...);
  }
  template <class... A>
  void warning(FormatFor<A...> format, const A&... arg) noexcept {
    log<A...>(Level::warning, format, arg...);
  }
  template <class... A>
  void error(FormatFor<A...> format, const A&... arg) noexcept {
    log<A...>(Level::error, format, arg...);
  }
  template <class... A>
  void critical(FormatFor<A...> format, const A&... arg) noexcept {
    log<A...>(Level::critical, format, arg...);
  }
  // An error with the exception that is being handled on the lines behind it: its type and text,
  // then those it is nested in.
  template <class... A>
  void exception(FormatFor<A...> format, const A&... arg) noexcept {
    if (passes(Level::error)) {
      put(Level::error, true, format.text, detail::Holder<A>{arg}.encode()...);
    }
  }
  // A text known only at run time; braces mean nothing in it.
  void log_text(Level level, std::string_view text) noexcept;

  [[nodiscard]] bool passes(Level level) const noexcept { return level >= lowest_; }
  // Writes what there is, as ProxyFile::close() does. Records after it are refused.
  Status close(bool block_send = true, bool block_close = true);
  [[nodiscard]] AppendLoggerStatistics statistics() const;
  // The first thing that went wrong since close() or the last call of status().
  [[nodiscard]] Status status();

 private:
  struct Impl;
  explicit AppendLogger(std::unique_ptr<Impl> impl, Level lowest);

  template <class... V>
  void put(Level level, bool exception, std::string_view format, V... value) noexcept {
    static constexpr detail::ArgType kTypes[] = {V::type..., detail::ArgType::kU64};
    const std::string_view names[] = {detail::name_of_value(value)..., {}};
    const detail::ShownCall call{level, exception, format, kTypes, names, sizeof...(V)};
    const std::size_t size = detail::record_bytes(value...);
    // A record may be written up to 32 bytes past its end.
    constexpr std::size_t kSlack = 32;
    constexpr std::size_t kOnStack = 1024;
    alignas(8) char small[kOnStack + kSlack];
    if (size <= kOnStack) {
      detail::put_record(small, size, 0, 0, value...);
      show(call, small, size);
    } else if (char* const large = take_memory(size + kSlack)) {
      detail::put_record(large, size, 0, 0, value...);
      show(call, large, size);
      give_memory(large);
    } else {
      count_refused();
    }
  }
  void show(const detail::ShownCall& call, const char* record, std::size_t size) noexcept;
  void count_refused() noexcept;
  [[nodiscard]] static char* take_memory(std::size_t size) noexcept;
  static void give_memory(char* memory) noexcept;

  std::unique_ptr<Impl> impl_;
  Level lowest_ = Level::off;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_APPEND_H_
