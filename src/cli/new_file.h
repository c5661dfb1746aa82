// A file that a command makes: under a temporary name beside it, and under its own when it is
// whole.
//
// Destroyed before commit() it leaves nothing; killed, it leaves NAME.partial-PID.
// Threading: single-owner. Blocking: as the disk.
#ifndef SLUICE_SRC_CLI_NEW_FILE_H_
#define SLUICE_SRC_CLI_NEW_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sluice::cli {

class NewFile {
 public:
  // `force`: what is there already is replaced by commit().
  NewFile(std::string path, bool force);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Why it cannot be made here, added as mistakes; `option` is what named it.
  void check(std::string_view option, std::vector<std::string>& mistakes) const;

  // The temporary name, for who opens it by himself.
  [[nodiscard]] const std::string& temporary() const { return temporary_; }
  // Or: opens it, and writes what comes, in larger pieces.
  Status open();
  Status write(std::string_view bytes);
  // To the disk, and under its own name.
  Status commit();

 private:
  Status write_out();
  [[nodiscard]] Status failed(std::string_view what, int error) const;

  const std::string path_;
  const bool force_;
  std::string temporary_;
  std::string buffer_;
  int fd_ = -1;
  unsigned long long offset_ = 0;
  bool committed_ = false;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_NEW_FILE_H_
