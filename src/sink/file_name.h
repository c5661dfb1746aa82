// Names of the files beside a log file: its lock, and its rotated predecessors.
//
//   /var/log/app.log        the file that is written
//   /var/log/.app.log.lock  see sink/lock_file.h
//   /var/log/app.1.log      the first one that was finished, then app.2.log, ...
//   /var/log/app.1.log.zst  the same, packed; see sink/file_packer.h
//
// Threading: plain functions and values. Nothing here touches the file system.
#ifndef SLUICE_SRC_SINK_FILE_NAME_H_
#define SLUICE_SRC_SINK_FILE_NAME_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::sink {

class FileName {
 public:
  // `path` is absolute and does not end with a slash.
  explicit FileName(std::string path);

  // Above this a number is not taken for one of ours, so that no name makes the next one overflow.
  static constexpr u64 kNumberMax = 999'999'999'999'999;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string lock_path() const { return in_directory("." + name_ + ".lock"); }
  [[nodiscard]] std::string rotated_path(u64 number) const;
  [[nodiscard]] std::string packed_path(u64 number) const;
  [[nodiscard]] std::string part_path() const { return in_directory("." + name_ + ".zst.part"); }
  // The number of a rotated file; nullopt for every name that rotated_path() could not have made.
  [[nodiscard]] std::optional<u64> rotated_number(std::string_view name) const;
  // The same of a packed one.
  [[nodiscard]] std::optional<u64> packed_number(std::string_view name) const;
  [[nodiscard]] std::string in_directory(std::string_view name) const;

 private:
  std::string path_;
  std::string directory_;
  std::string name_;
  std::string stem_;       // "app"
  std::string extension_;  // ".log"; empty when the name has none
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_FILE_NAME_H_
