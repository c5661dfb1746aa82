// Files under Windows. A file may be renamed and removed while it is open, as elsewhere; a lock is
// the handle's, at a place beyond every byte, because locked bytes cannot be read here.
#include "os/io.h"

#include <fcntl.h>
#include <io.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/never_destroyed.h"
#include "os/error_numbers.h"
#include "os/windows/windows.h"

namespace sluice::os {
namespace {

constexpr u64 kLockPlace = u64{1} << 62;
constexpr DWORD kOnceMax = 1U << 30;  // bytes of one call

// Of those that last_error_number() gives, and of what the tests' disks say.
constexpr std::pair<int, const char*> kErrorNames[] = {
    {EACCES, "EACCES"},   {EAGAIN, "EAGAIN"},
    {EBADF, "EBADF"},     {EDQUOT, "EDQUOT"},
    {EEXIST, "EEXIST"},   {EINVAL, "EINVAL"},
    {EIO, "EIO"},         {EISDIR, "EISDIR"},
    {ELOOP, "ELOOP"},     {EMFILE, "EMFILE"},
    {ENOENT, "ENOENT"},   {ENOMEM, "ENOMEM"},
    {ENOSPC, "ENOSPC"},   {ENOTDIR, "ENOTDIR"},
    {ENOTSUP, "ENOTSUP"}, {ENAMETOOLONG, "ENAMETOOLONG"},
    {EPIPE, "EPIPE"},     {ENOTEMPTY, "ENOTEMPTY"},
    {EROFS, "EROFS"},
};

HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(::_get_osfhandle(fd)); }

int or_last_error(BOOL done) { return done ? 0 : last_error_number(); }

OVERLAPPED at_offset(u64 offset) {
  OVERLAPPED place{};
  place.Offset = DWORD(offset);
  place.OffsetHigh = DWORD(offset >> 32);
  return place;
}

u64 both(DWORD high, DWORD low) { return u64{high} << 32 | low; }

int look_at(HANDLE handle, FileInfo& out) {
  BY_HANDLE_FILE_INFORMATION from;
  if (!::GetFileInformationByHandle(handle, &from)) return last_error_number();
  out.device = from.dwVolumeSerialNumber;
  out.inode = both(from.nFileIndexHigh, from.nFileIndexLow);
  // Anybody may set the time of birth; the number has a count of how often NTFS has used it.
  out.born_ns = 0;
  out.size = both(from.nFileSizeHigh, from.nFileSizeLow);
  out.uid = 0;
  out.links = from.nNumberOfLinks;
  out.modified_ns = unix_ns_of(from.ftLastWriteTime);
  const bool link = from.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT;
  out.directory = !link && (from.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
  out.regular = !link && !out.directory;
  out.mode = out.directory ? 0700 : 0600;
  return 0;
}

int look_at_name(const char* path, DWORD flags, FileInfo& out) {
  const HANDLE handle =
      ::CreateFileW(to_wide(path).c_str(), FILE_READ_ATTRIBUTES,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                    FILE_FLAG_BACKUP_SEMANTICS | flags, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return last_error_number();
  const int result = look_at(handle, out);
  ::CloseHandle(handle);
  return result;
}

class RealIo final : public Io {
 public:
  int open(const char* path, u32 flags) override {
    if (flags & kDirect) return -EINVAL;
    DWORD access = 0, made = OPEN_EXISTING;
    if (flags & kRead) access |= GENERIC_READ;
    // Without the right to write elsewhere, every write goes to the end.
    if (flags & kWrite) access |= (flags & kAppend) ? FILE_APPEND_DATA : GENERIC_WRITE;
    if (flags & kCreate) made = (flags & kExclusive) ? CREATE_NEW : OPEN_ALWAYS;
    const DWORD link = (flags & kFollow) ? 0 : FILE_FLAG_OPEN_REPARSE_POINT;
    const HANDLE handle =
        ::CreateFileW(to_wide(path).c_str(), access | SYNCHRONIZE | FILE_READ_ATTRIBUTES,
                      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, made,
                      FILE_ATTRIBUTE_NORMAL | FILE_FLAG_BACKUP_SEMANTICS | link, nullptr);
    if (handle == INVALID_HANDLE_VALUE) return last_error_number();
    FileInfo info;
    int result = look_at(handle, info);
    if (result == 0 && info.directory && (flags & kWrite)) result = -EISDIR;
    if (result == 0 && !info.directory && !info.regular && link) result = -ELOOP;
    if (result == 0) {
      result = ::_open_osfhandle(reinterpret_cast<intptr_t>(handle), _O_BINARY | _O_NOINHERIT);
      if (result < 0) result = -EMFILE;
    }
    if (result < 0) ::CloseHandle(handle);
    return result;
  }
  int close(int fd) override { return ::_close(fd) == 0 ? 0 : -errno; }
  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    OVERLAPPED place = at_offset(offset);
    DWORD done = 0;
    if (::ReadFile(handle_of(fd), to, DWORD(std::min<std::size_t>(size, kOnceMax)), &done,
                   &place)) {
      return done;
    }
    return ::GetLastError() == ERROR_HANDLE_EOF ? 0 : last_error_number();
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    OVERLAPPED place = at_offset(offset);
    return write_some(fd, from, size, &place);
  }
  i64 read(int fd, void* to, std::size_t size) override {
    DWORD done = 0;
    if (::ReadFile(handle_of(fd), to, DWORD(std::min<std::size_t>(size, kOnceMax)), &done,
                   nullptr)) {
      return done;
    }
    return ::GetLastError() == ERROR_BROKEN_PIPE ? 0 : last_error_number();
  }
  i64 write(int fd, const void* from, std::size_t size) override {
    return write_some(fd, from, size, nullptr);
  }
  int truncate(int fd, u64 size) override {
    FILE_END_OF_FILE_INFO end{};
    end.EndOfFile.QuadPart = i64(size);
    const HANDLE handle = handle_of(fd);
    const auto cut = [&end](HANDLE file) {
      return ::SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end);
    };
    if (cut(handle)) return 0;
    if (::GetLastError() != ERROR_ACCESS_DENIED) return last_error_number();
    // One that only appends may not: another of the same file may.
    const HANDLE another = ::ReOpenFile(handle, GENERIC_WRITE,
                                        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, 0);
    if (another == INVALID_HANDLE_VALUE) return last_error_number();
    const int result = or_last_error(cut(another));
    ::CloseHandle(another);
    return result;
  }
  int allocate(int fd, u64 offset, u64 size) override {
    FileInfo info;
    const int failed = stat_fd(fd, info);
    return failed || info.size >= offset + size ? failed : truncate(fd, offset + size);
  }
  int set_modified(int fd, i64 unix_ns) override {
    const FILETIME then = file_time_of(unix_ns);
    return or_last_error(::SetFileTime(handle_of(fd), nullptr, nullptr, &then));
  }
  int sync_data(int fd) override { return or_last_error(::FlushFileBuffers(handle_of(fd))); }
  // NTFS keeps names in a journal of its own.
  int sync_directory(const char*) override { return 0; }
  int stat(const char* path, FileInfo& out) override {
    return look_at_name(path, FILE_FLAG_OPEN_REPARSE_POINT, out);
  }
  int stat_followed(const char* path, FileInfo& out) override { return look_at_name(path, 0, out); }
  int stat_fd(int fd, FileInfo& out) override { return look_at(handle_of(fd), out); }
  int rename(const char* from, const char* to) override {
    return or_last_error(
        ::MoveFileExW(to_wide(from).c_str(), to_wide(to).c_str(), MOVEFILE_REPLACE_EXISTING));
  }
  int rename_new(const char* from, const char* to) override {
    return or_last_error(::MoveFileExW(to_wide(from).c_str(), to_wide(to).c_str(), 0));
  }
  int unlink(const char* path) override {
    return or_last_error(::DeleteFileW(to_wide(path).c_str()));
  }
  int make_directory(const char* path) override {
    return or_last_error(::CreateDirectoryW(to_wide(path).c_str(), nullptr));
  }
  int lock(int fd, u64 byte, bool wait) override {
    OVERLAPPED place = at_offset(kLockPlace + byte);
    const DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | (wait ? 0 : LOCKFILE_FAIL_IMMEDIATELY);
    return or_last_error(::LockFileEx(handle_of(fd), flags, 0, 1, 0, &place));
  }
  int unlock(int fd, u64 byte) override {
    OVERLAPPED place = at_offset(kLockPlace + byte);
    return or_last_error(::UnlockFileEx(handle_of(fd), 0, 1, 0, &place));
  }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    WIN32_FIND_DATAW entry;
    const HANDLE search = ::FindFirstFileW((to_wide(path) + L"/*").c_str(), &entry);
    if (search == INVALID_HANDLE_VALUE) return last_error_number();
    do {
      const std::string name = to_utf8(entry.cFileName);
      if (name != "." && name != "..") each(name.c_str());
    } while (::FindNextFileW(search, &entry));
    ::FindClose(search);
    return 0;
  }

 private:
  static i64 write_some(int fd, const void* from, std::size_t size, OVERLAPPED* place) {
    DWORD done = 0;
    return ::WriteFile(handle_of(fd), from, DWORD(std::min<std::size_t>(size, kOnceMax)), &done,
                       place)
               ? i64{done}
               : last_error_number();
  }
};

}  // namespace

Io& real_io() { return never_destroyed<RealIo>(); }

int may_write(const char* path) {
  const DWORD attributes = ::GetFileAttributesW(to_wide(path).c_str());
  if (attributes == INVALID_FILE_ATTRIBUTES) {
    const int error = last_error_number();
    const std::string_view whole(path);
    const std::string_view above = whole.substr(0, whole.find_last_of("/\\"));
    // Windows says of what would be below a file only that it is not there.
    const DWORD at = ::GetFileAttributesW(to_wide(above).c_str());
    const bool file = at != INVALID_FILE_ATTRIBUTES && !(at & FILE_ATTRIBUTE_DIRECTORY);
    return error == -ENOENT && file ? -ENOTDIR : error;
  }
  // Of a directory it means something else.
  const bool directory = attributes & FILE_ATTRIBUTE_DIRECTORY;
  return !directory && (attributes & FILE_ATTRIBUTE_READONLY) ? -EACCES : 0;
}

std::string resolved_path(const std::string& path) {
  const HANDLE handle = ::CreateFileW(to_wide(path).c_str(), FILE_READ_ATTRIBUTES,
                                      FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                      nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return {};
  wchar_t name[4096];
  const DWORD size = ::GetFinalPathNameByHandleW(handle, name, 4096, FILE_NAME_NORMALIZED);
  ::CloseHandle(handle);
  std::wstring_view found(name, size < 4096 ? size : 0);
  if (found.starts_with(L"\\\\?\\")) found.remove_prefix(4);
  return to_path(found);
}

bool is_absolute(std::string_view path) {
  return path.starts_with("//") || (path.size() > 2 && path[1] == ':' && path[2] == '/');
}

std::string absolute_path(std::string_view path) {
  if (path.empty()) return {};
  wchar_t full[4096];
  const DWORD size = ::GetFullPathNameW(to_wide(path).c_str(), 4096, full, nullptr);
  return size < 4096 ? to_path({full, size}) : std::string(path);
}

std::string error_text(int os_error) {
  const int number = os_error < 0 ? -os_error : os_error;
  for (const auto& [named, name] : kErrorNames) {
    if (named == number) return std::string(name) + " (" + std::strerror(number) + ")";
  }
  return "error " + std::to_string(number) + " (" + std::strerror(number) + ")";
}

}  // namespace sluice::os
