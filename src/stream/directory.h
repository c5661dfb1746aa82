// A directory of streams: who writes which stream, and under which file names.
//
// The file `.streams` has a line for each stream there ever was, "STEM<tab>NAME", the name percent-
// encoded. A line is added once and never changed, so a stream keeps its file names. Byte 0 of the
// file is locked while lines are added and streams are claimed; byte N by whoever writes the stream
// of line N. The locks are the kernel's: a killed writer holds none.
//
// The file `.numbers` has eight bytes a stream, in the order of the lines: the highest number of
// its finished files that were removed (a little-endian u64), so that none is given again.
//
// A process has one object for a directory, and with it one descriptor for all its streams.
//
// Threading: thread-safe. Blocking: as the disk, and while another adds a line. Errors: a Status.
#ifndef SLUICE_SRC_STREAM_DIRECTORY_H_
#define SLUICE_SRC_STREAM_DIRECTORY_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "stream/fork.h"

namespace sluice::stream {

inline constexpr char kIndexName[] = ".streams";
inline constexpr char kNumbersName[] = ".numbers";

// A stream that this process writes.
struct Claim {
  u64 line = 0;
  std::string stem;
  u64 finished = 0;  // the highest number of its finished files
};

class Directory {
 public:
  using Place = std::tuple<u32, u64, u64>;  // forks, device, inode

  // Makes the directory if there is none. `io` must outlive it.
  [[nodiscard]] static Result<std::shared_ptr<Directory>> open(os::Io& io, const std::string& path);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] os::Io& io() const { return io_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const os::FileId& id() const { return id_; }
  // kRetryable: another writes it.
  [[nodiscard]] Result<Claim> claim(std::string_view name);
  void release(const Claim& claim);

  struct Line {
    std::string stem;  // empty: no line of ours
    std::string name;
  };
  // Every stream there ever was, in the order of the index.
  [[nodiscard]] Result<std::vector<Line>> streams();
  // Calls `each` with the claim of every stream that has an open file and no writer. Whoever opens
  // a stream here, in this process or another, waits until it has returned.
  Status for_unwritten(const std::function<void(Claim&)>& each);
  // Keeps the number of a finished file that is going to be removed.
  Status note_removed(std::string_view stem, u64 number);

 private:
  Directory(os::Io& io, std::string path, int fd) : io_(io), path_(std::move(path)), fd_(fd) {}
  // Runs `act` under the lock of byte 0, with all lines read.
  Status with_lines(const std::function<Status()>& act);
  Status read_lines();
  Result<u64> line_of(std::string_view name);
  Status lock_line(u64 line);
  [[nodiscard]] Claim claim_of(u64 line);
  // A number in `.numbers`; 0 where there is none.
  [[nodiscard]] u64 removed_number(int fd, u64 line);
  Status append(const Line& line);
  [[nodiscard]] std::string free_stem(std::string_view name) const;
  void note_finished();
  [[nodiscard]] std::string index_path() const { return path_ + "/" + kIndexName; }
  [[nodiscard]] std::string numbers_path() const { return path_ + "/" + kNumbersName; }

  os::Io& io_;
  const std::string path_;
  const int fd_;
  const u32 forks_ = Forks::count();
  std::optional<Place> place_;  // among those that are open
  os::FileId id_;
  std::mutex mutex_;
  std::vector<Line> lines_;  // line 1 is the first
  u64 read_bytes_ = 0;       // of the index, in lines_
  std::set<u64> claimed_;
  std::map<std::string, u64, std::less<>> finished_;  // by stem
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_DIRECTORY_H_
