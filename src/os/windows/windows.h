// What the files of this folder share: Windows' own header without what nobody uses, its errors as
// the numbers of <cerrno>, and its texts, which are UTF-16.
//
// Files outside this folder never include it.
#ifndef SLUICE_SRC_OS_WINDOWS_WINDOWS_H_
#define SLUICE_SRC_OS_WINDOWS_WINDOWS_H_

#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::os {

// -errno for GetLastError().
[[nodiscard]] int last_error_number();

[[nodiscard]] std::wstring to_wide(std::string_view utf8);
[[nodiscard]] std::string to_utf8(std::wstring_view wide);
// A path as Windows gives it, with / between its parts: as all of the library reads paths.
[[nodiscard]] std::string to_path(std::wstring_view wide);

// Nanoseconds since 1970 of a time of Windows, which counts 100 ns since 1601.
[[nodiscard]] i64 unix_ns_of(const FILETIME& time);
[[nodiscard]] FILETIME file_time_of(i64 unix_ns);

}  // namespace sluice::os

#endif  // SLUICE_SRC_OS_WINDOWS_WINDOWS_H_
