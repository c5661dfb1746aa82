#include "os/windows/windows.h"

#include <algorithm>
#include <cerrno>

namespace sluice::os {
namespace {

// 100 ns from 1601 to 1970.
constexpr i64 kUnixEpoch = 116'444'736'000'000'000;

}  // namespace

int last_error_number() {
  switch (::GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_PATHNAME:
    case ERROR_INVALID_DRIVE:
      return -ENOENT;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS:
      return -EEXIST;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
      return -EACCES;
    case ERROR_WRITE_PROTECT:
      return -EROFS;
    case ERROR_LOCK_VIOLATION:
    case ERROR_IO_PENDING:
      return -EAGAIN;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      return -ENOSPC;
    case ERROR_DIR_NOT_EMPTY:
      return -ENOTEMPTY;
    case ERROR_DIRECTORY:
      return -ENOTDIR;
    case ERROR_FILENAME_EXCED_RANGE:
      return -ENAMETOOLONG;
    case ERROR_TOO_MANY_OPEN_FILES:
      return -EMFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_NO_SYSTEM_RESOURCES:
      return -ENOMEM;
    case ERROR_INVALID_HANDLE:
      return -EBADF;
    case ERROR_INVALID_PARAMETER:
      return -EINVAL;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION:
      return -ENOTSUP;
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
      return -EPIPE;
    default:
      return -EIO;
  }
}

std::wstring to_wide(std::string_view utf8) {
  const int size = int(utf8.size());
  std::wstring wide(std::size_t(::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, nullptr, 0)),
                    L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, utf8.data(), size, wide.data(), int(wide.size()));
  return wide;
}

std::string to_utf8(std::wstring_view wide) {
  const int size = int(wide.size());
  std::string utf8(std::size_t(::WideCharToMultiByte(CP_UTF8, 0, wide.data(), size, nullptr, 0,
                                                     nullptr, nullptr)),
                   '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), size, utf8.data(), int(utf8.size()), nullptr,
                        nullptr);
  return utf8;
}

std::string to_path(std::wstring_view wide) {
  std::string path = to_utf8(wide);
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

i64 unix_ns_of(const FILETIME& time) {
  const i64 since_1601 = i64(u64{time.dwHighDateTime} << 32 | time.dwLowDateTime);
  return (since_1601 - kUnixEpoch) * 100;
}

FILETIME file_time_of(i64 unix_ns) {
  const u64 since_1601 = u64(unix_ns / 100 + kUnixEpoch);
  return {DWORD(since_1601), DWORD(since_1601 >> 32)};
}

}  // namespace sluice::os
