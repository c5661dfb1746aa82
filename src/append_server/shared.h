// What the clients of one service share.
//
// Threading: everything here is thread-safe. The counters are relaxed: nothing is read through
// them.
#ifndef SLUICE_SRC_APPEND_SERVER_SHARED_H_
#define SLUICE_SRC_APPEND_SERVER_SHARED_H_

#include <atomic>
#include <memory>
#include <string>

#include "append_server/open_files.h"
#include "append_server/service.h"
#include "os/append_file.h"

namespace sluice::append_server {

struct Counters {
  std::atomic<u64> clients_total{0};
  std::atomic<u64> files_opened{0};
  std::atomic<u64> bytes_written{0};
  std::atomic<u64> held_bytes{0};
  std::atomic<u64> clients_refused{0};
  std::atomic<u64> opens_failed{0};
  std::atomic<u64> writes_failed{0};
  std::atomic<u64> rotations{0};
  std::atomic<u64> lines_split{0};
  std::atomic<u64> bytes_dropped{0};
};

inline void count(std::atomic<u64>& counter, u64 by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);  // relaxed: see the head of this file
}

struct Shared {
  ServiceOptions options;
  std::shared_ptr<const os::AllowedDirectories> directories;
  int carried = -1;  // /dev/null, for os::send_apart()
  OpenFiles files;
  Counters counters;

  void say(bool warning, const std::string& text) const {
    if (options.log) options.log(warning, text);
  }
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_SHARED_H_
