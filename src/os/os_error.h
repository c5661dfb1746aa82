// What an error of the operating system means for a destination, decided in one place.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_OS_OS_ERROR_H_
#define SLUICE_SRC_OS_OS_ERROR_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "os/io.h"

namespace sluice {

// Of a write or sync to an open file: kRetryable (no room, interrupted), else kRotate: whatever is
// wrong is wrong with this file.
[[nodiscard]] ErrorClass class_of_write_error(int error);
// Of opening what the configuration names: kDisableSink when only a person can mend it.
[[nodiscard]] ErrorClass class_of_open_error(int error);

// "PATH: WHAT: ENOSPC (No space left on device)", with what helps against it where something does.
[[nodiscard]] Status failed(ErrorClass error_class, std::string_view path, std::string_view what,
                            int error);

// Refuses a file of a user who is neither this process's nor root: where others may make files, one
// that they made before us would let them read the log, or tell us which of our files to cut.
[[nodiscard]] Status check_owner(std::string_view path, const os::FileInfo& info);

// Makes a directory and those above it; 0 or -errno. A directory that is there already is fine.
[[nodiscard]] int make_directories(os::Io& io, const std::string& path);

}  // namespace sluice

#endif  // SLUICE_SRC_OS_OS_ERROR_H_
