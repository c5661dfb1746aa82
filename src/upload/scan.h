// Which files of a directory are finished, and so are to be sent.
//
// In a directory of streams: the finished files of its streams, and nothing else; seal() before
// finishes those of writers that died. In any other: the regular files that a glob names (without
// one, all) and that have not changed for a while. Never names that begin with a dot, never what is
// in directories below.
//
// Threading: thread-safe. Blocking: as the disk. Errors: a Status, retryable.
#ifndef SLUICE_SRC_UPLOAD_SCAN_H_
#define SLUICE_SRC_UPLOAD_SCAN_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "stream/directory.h"
#include "stream/seal.h"

namespace sluice::upload {

struct FoundFile {
  std::string name;
  os::FileInfo info;
};

struct Look {
  std::vector<FoundFile> files;  // the oldest first
  u64 more = 0;                  // finished, and not in `files`
  u64 unsettled = 0;             // changed lately
  i64 settled_in_ns = 0;         // when the first of them may be finished
};

class Scan {
 public:
  // `glob`: '*' stands for any characters; empty: all. `io` must outlive it.
  Scan(os::Io& io, std::string directory, std::string glob, u32 settle_ms);

  // Finishes files of streams without a writer; `sealed` is told each.
  Status seal(const std::function<void(const stream::Left& left)>& sealed);
  // At most so many files, without those that `skip` says.
  [[nodiscard]] Result<Look> look(std::size_t most,
                                  const std::function<bool(const FoundFile&)>& skip);
  // Before a file is removed: no other will get its name.
  Status before_removal(std::string_view name);

  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  [[nodiscard]] bool is_named(std::string_view name) const;
  // Null: it is no directory of streams. Once it was one it stays one.
  [[nodiscard]] Result<std::shared_ptr<stream::Directory>> streams();

  os::Io& io_;
  const std::string directory_;
  const std::string glob_;
  const i64 settle_ns_;
  std::mutex mutex_;
  std::shared_ptr<stream::Directory> streams_;  // under mutex_
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_SCAN_H_
