#include "collector/token_file.h"

#include <algorithm>

#include "os/child.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::collector {
namespace {

constexpr std::size_t kTokenMin = 16;
constexpr std::size_t kTokenMax = 1024;
constexpr u32 kOfOthers = 077;

Status no_token(const std::string& path, const std::string& why) {
  return fatal("http.token_file: " + path + ": " + why);
}

}  // namespace

Result<std::string> read_token(const std::string& path) {
  if (path.empty()) return std::string();
  os::Io& io = os::real_io();
  int fd = io.open(path.c_str(), os::kRead | os::kFollow);
  if (fd < 0) return no_token(path, "cannot be opened: " + os::error_text(fd));
  os::FileInfo info;
  std::string text(kTokenMax + 1, '\0');
  const int looked = io.stat_fd(fd, info);
  const i64 size = os::pread_all(io, fd, text.data(), text.size(), 0);
  os::close_descriptor(fd);
  if (looked < 0 || size < 0) {
    return no_token(path, "cannot be read: " + os::error_text(looked < 0 ? looked : int(size)));
  }
  if (info.uid != os::user_id() && info.uid != 0) {
    return no_token(path, "it belongs to another user; use a file of yours");
  }
  if ((info.mode & kOfOthers) != 0) return no_token(path, "others may read it; chmod 600 it");
  text.resize(std::size_t(size));
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.size() < kTokenMin || text.size() > kTokenMax ||
      text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                             "-._~+/=") != std::string::npos) {
    return no_token(path, "its first line is no token; write " + std::to_string(kTokenMin) +
                              " characters or more, of A-Z a-z 0-9 - . _ ~ + / =");
  }
  return text;
}

}  // namespace sluice::collector
