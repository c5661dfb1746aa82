// Options of start(), all with defaults, for designated initialisers:
//
//     sluice::start({.product = "game", .sinks = {sluice::text_file("game.log")}});
//
// Everything is checked together by start(); one call reports every mistake.
#ifndef SLUICE_OPTIONS_H_
#define SLUICE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/level.h"

namespace sluice {
inline namespace v1 {

enum class Mode : std::uint8_t {
  asynchronous,  // threads of the library do the work
  immediate,     // every call merges and runs the sinks before it returns; no threads
};

enum class Overflow : std::uint8_t {
  drop_newest,  // the record is dropped and counted
  block,        // the caller waits, at most block_deadline_ms, then the record is dropped
};

enum class SinkKind : std::uint8_t {
  console = 1,
  text = 2,
  json_lines = 3,
  segments = 4,
  callback = 5,
  store = 6,
  logfmt = 7,
  syslog = 8,
  journald = 9
};

// What the members of a JSON Lines file are called.
enum class JsonSchema : std::uint8_t {
  sluice,  // docs/commands.md
  otel,    // OpenTelemetry: OTLP/JSON, one LogsData a line
  ecs,     // Elastic Common Schema
};

enum class Color : std::uint8_t { automatic, always, never };

// A record as a callback sink gets it. The views live until the callback returns.
struct CallbackRecord {
  std::int64_t unix_ns;
  std::uint64_t sequence;
  Level level;
  std::uint32_t thread_id;
  std::string_view logger = {};
  std::string_view message;
  std::string_view json;  // the whole record as one JSON object
  // Of a record that is one text ("{}", log_text()): its bytes, where `message` has them escaped.
  std::string_view raw = {};
};

struct Sink {
  SinkKind kind = SinkKind::console;
  // text, json_lines, logfmt: a file; segments: a directory; store: a database file, ":memory:" for
  // a private one that is removed at the end; syslog, journald: a socket, or "udp:ADDRESS:PORT",
  // "tcp:ADDRESS:PORT" for syslog
  std::string path = {};
  std::string name = {};     // segments: file names begin with it; default: the product
  std::string pattern = {};  // console, text: see docs/logging.md
  JsonSchema schema = JsonSchema::sluice;  // json_lines
  std::uint8_t facility = 1;               // syslog: 0 to 23 (RFC 5424); 1 is "user"
  Level level = Level::trace;              // what this sink takes, of what the loggers let through
  std::string logger = {};                 // only this logger and those below it ("net.*", "net")
  std::uint64_t rotate_bytes = 0;          // files of lines: a new one above this size; 0: never
  std::uint64_t rotate_seconds = 0;        // and when it is so old; 0: never
  std::string rotate_at = {};    // and every day then: "04:30" local, "04:30Z" UTC; empty: never
  std::uint32_t keep_files = 0;  // rotated files of its own kept; 0: all
  // and packed by zstd, while there is nothing to write; never in immediate mode
  bool compress = false;
  Color color = Color::automatic;
  Level stderr_level = Level::error;      // console: from here on to standard error
  std::uint32_t commit_records = 10'000;  // store: at most so many in one transaction
  bool sync_each_commit = false;          // store: every commit survives a loss of power
  // store: the oldest rows are taken out when they are older, when a table has more, when the file
  // is larger; 0: never. Exactly what goes when: docs/formats/store.md. files of lines: the oldest
  // of its own rotated files are removed when their last line is older, when all take more.
  std::uint64_t keep_seconds = 0;
  std::uint64_t keep_rows = 0;
  std::uint64_t keep_bytes = 0;
  bool keep_whole_runs = false;  // store: runs that are over go as a whole before single rows do
  // store: messages are indexed for full-text search while there is nothing to write; never in
  // immediate mode.
  bool full_text = false;
  // callback: called on a thread of the library, one record at a time.
  void (*callback)(const CallbackRecord& record, void* user) = nullptr;
  void* user = nullptr;
  // A required sink is never skipped: when it is stuck the journal fills, then the rings, then
  // `overflow` decides. A best-effort sink misses what it is too slow for, counted and said.
  // Default: files, segments and stores are required, all others are not.
  enum class Need : std::uint8_t { by_kind, required, best_effort } need = Need::by_kind;
};

[[nodiscard]] inline Sink console(Sink sink = {}) {
  sink.kind = SinkKind::console;
  return sink;
}
[[nodiscard]] inline Sink text_file(std::string path, Sink sink = {}) {
  sink.kind = SinkKind::text;
  sink.path = std::move(path);
  return sink;
}
[[nodiscard]] inline Sink json_file(std::string path, Sink sink = {}) {
  sink.kind = SinkKind::json_lines;
  sink.path = std::move(path);
  return sink;
}
[[nodiscard]] inline Sink logfmt_file(std::string path, Sink sink = {}) {
  sink.kind = SinkKind::logfmt;
  sink.path = std::move(path);
  return sink;
}
// RFC 5424, to the daemon of this machine or to "udp:10.0.0.1:514".
[[nodiscard]] inline Sink syslog(std::string to = "/dev/log", Sink sink = {}) {
  sink.kind = SinkKind::syslog;
  sink.path = std::move(to);
  return sink;
}
[[nodiscard]] inline Sink journald(std::string socket = "/run/systemd/journal/socket",
                                   Sink sink = {}) {
  sink.kind = SinkKind::journald;
  sink.path = std::move(socket);
  return sink;
}
[[nodiscard]] inline Sink segment_files(std::string directory, Sink sink = {}) {
  sink.kind = SinkKind::segments;
  sink.path = std::move(directory);
  return sink;
}
[[nodiscard]] inline Sink store_file(std::string path, Sink sink = {}) {
  sink.kind = SinkKind::store;
  sink.path = std::move(path);
  return sink;
}
[[nodiscard]] inline Sink callback(void (*function)(const CallbackRecord&, void*),
                                   void* user = nullptr, Sink sink = {}) {
  sink.kind = SinkKind::callback;
  sink.callback = function;
  sink.user = user;
  return sink;
}

// Whether a collector (`sluice serve`) drains this program. A program with sinks of its own keeps
// its own backend, and is read beside them: its store gets the same, or says what it missed.
enum class Collector : std::uint8_t {
  off,
  automatic,  // a collector when there is one, else the own backend
  only,       // no backend ever: without a collector records wait in shared memory, then drop
};

struct Options {
  std::string product = {};  // default: the program's name
  std::string version = {};
  std::string run_id = {};              // default: made up
  Level level = Level::info;            // threshold of the root logger
  std::uint32_t backtrace_records = 0;  // set_backtrace("", backtrace_records) at the start
  Mode mode = Mode::asynchronous;
  std::vector<Sink> sinks = {};  // at most 8; none: the console (not: SLUICE_CONSOLE=0)
  // Each thread's; a power of two, 32 KiB to 64 MiB. 0: a 64th of journal_bytes, 512 KiB at least.
  std::uint64_t ring_bytes = 0;
  std::uint32_t queue_records = 0;        // the other way to say it: 0, or records a ring holds
  std::uint64_t journal_bytes = 8 << 20;  // how long a stuck sink is ridden out; a power of two
  Overflow overflow = Overflow::drop_newest;
  std::uint32_t block_deadline_ms = 1000;
  std::uint32_t merge_window_us = 2000;  // how long a record may wait for older ones of others
  std::uint32_t stop_deadline_ms = 5000;
  std::uint32_t sync_interval_ms = 1000;  // how often files are made durable; 0: only by flush()
  std::uint32_t metrics_interval_ms = 10'000;  // of samples; 0: only by flush() and at the end
  // One call of a thread in about 1,024 is timed, in the timer "sluice.call.duration"; the others
  // cost what they did.
  bool measure_calls = false;
  std::uint32_t sites_max = 8192;     // call sites a process can have
  std::string region_directory = {};  // on tmpfs; default: /dev/shm/sluice-UID
  bool recover = true;                // drain what an earlier run of this product left
  Collector collector = Collector::off;
  std::string collector_socket = {};  // default: where `sluice serve` of this user listens
  bool quiet = false;                 // do not say on stderr where the records go, nor what is odd
  std::string redact = {};  // further field names whose values are secret, separated by commas
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_OPTIONS_H_
