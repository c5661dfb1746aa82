#include "os/os_error.h"

#include <cerrno>

#include "os/process.h"

namespace sluice {
namespace {

std::string_view advice(int error) {
  switch (-error) {
    case ENOSPC:
      return "; free some space: nothing is lost meanwhile";
    case EDQUOT:
      return "; raise the quota: nothing is lost meanwhile";
    case EACCES:
    case EPERM:
      return "; give this user the right to write there, or choose another path";
    case EROFS:
      return "; choose a path that can be written";
    case ELOOP:
      return "; symbolic links are not followed: name the file itself";
    case EISDIR:
      return "; name a file in it";
    case ENOTDIR:
      return "; a part of the path is no directory";
    case ENAMETOOLONG:
      return "; choose a shorter name";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files";
    default:
      return "";
  }
}

}  // namespace

ErrorClass class_of_write_error(int error) {
  switch (-error) {
    case ENOSPC:
    case EDQUOT:
    case EAGAIN:
    case EINTR:
    case ENOMEM:
      return ErrorClass::kRetryable;
    default:
      return ErrorClass::kRotate;
  }
}

ErrorClass class_of_open_error(int error) {
  switch (-error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return ErrorClass::kDisableSink;
    default:
      return ErrorClass::kRetryable;
  }
}

Status failed(ErrorClass error_class, std::string_view path, std::string_view what, int error) {
  std::string text(path);
  text += ": ";
  text += what;
  text += ": " + os::error_text(error);
  text += advice(error);
  return {error_class, std::move(text), -error};
}

Status check_owner(std::string_view path, const os::FileInfo& info) {
  if (info.uid == os::user_id() || info.uid == 0) return {};
  return {ErrorClass::kDisableSink,
          std::string(path) + ": belongs to user " + std::to_string(info.uid) +
              ", while this program runs as user " + std::to_string(os::user_id()) +
              "; remove the file or give it to this user, and let no other make files there"};
}

int make_directories(os::Io& io, const std::string& path) {
  const int made = io.make_directory(path.c_str());
  if (made != -ENOENT) return made == -EEXIST ? 0 : made;
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return made;
  const int above = make_directories(io, path.substr(0, slash));
  if (above < 0) return above;
  const int again = io.make_directory(path.c_str());
  return again == -EEXIST ? 0 : again;
}

}  // namespace sluice
