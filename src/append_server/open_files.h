// The files that clients have open, so that lines of several clients on one file stay whole.
//
// A file's turns are taken one at a time (append_server/workers.h, by key()), so what a turn does
// with `mid_line` needs no lock.
//
// | field    | written by                 | read by  | order                              |
// |----------|----------------------------|----------|------------------------------------|
// | clients  | whoever opens or closes it | turns    | relaxed: a hint, see mid_line      |
// | mid_line | the file's turns           | the same | Workers' mutex lies between turns  |
//
// Threading: OpenFiles is thread-safe.
#ifndef SLUICE_SRC_APPEND_SERVER_OPEN_FILES_H_
#define SLUICE_SRC_APPEND_SERVER_OPEN_FILES_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "os/append_file.h"

namespace sluice::append_server {

struct OpenFile {
  explicit OpenFile(os::FileKey which) : key(which) {}

  const os::FileKey key;
  // How many have it open. A client that is alone may leave the file in the midst of a line; one
  // that comes at that moment finds it in mid_line.
  std::atomic<u32> clients{0};
  // The client whose line is not whole yet, and since when; none: the file ends with a whole line.
  std::optional<u64> mid_line;
  i64 mid_line_since_ns = 0;
};

class OpenFiles {
 public:
  [[nodiscard]] std::shared_ptr<OpenFile> join(os::FileKey key);
  void leave(const std::shared_ptr<OpenFile>& file);

 private:
  struct Less {
    bool operator()(const os::FileKey& a, const os::FileKey& b) const {
      return a.device != b.device ? a.device < b.device : a.inode < b.inode;
    }
  };
  std::mutex mutex_;
  std::map<os::FileKey, std::shared_ptr<OpenFile>, Less> files_;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_OPEN_FILES_H_
