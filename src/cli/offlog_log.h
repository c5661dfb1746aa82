// What `sluice offlog` says of its doings: the lines of the original, on standard output and error
// and in a file.
//
// Threading: add() is thread-safe and never waits: a thread of its own writes, and where it does
// not keep up (a pipe that nobody reads) lines are dropped, counted and said.
#ifndef SLUICE_SRC_CLI_OFFLOG_LOG_H_
#define SLUICE_SRC_CLI_OFFLOG_LOG_H_

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::cli {

class OfflogLog {
 public:
  OfflogLog() = default;
  ~OfflogLog();
  OfflogLog(const OfflogLog&) = delete;
  OfflogLog& operator=(const OfflogLog&) = delete;

  // `path`: the file besides, which is made and appended to; empty: none.
  [[nodiscard]] Status start(const std::string& path);
  void add(bool warning, std::string text);
  // Writes what was said, until deadline_ns (CLOCK_MONOTONIC). False: somebody does not read it;
  // then only the end of the process ends the thread.
  [[nodiscard]] bool stop(i64 deadline_ns);

 private:
  struct Line {
    bool warning = false;
    std::string text;
  };
  void run();
  void write(const Line& line) const;

  int file_ = -1;
  std::mutex mutex_;  // over what follows
  std::condition_variable changed_;
  std::deque<Line> lines_;
  u64 dropped_ = 0;
  bool ending_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_OFFLOG_LOG_H_
