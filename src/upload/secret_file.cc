#include "upload/secret_file.h"

#include "os/io.h"
#include "os/os_error.h"

namespace sluice::upload {

Result<std::string> read_secret_file(const std::string& path) {
  constexpr std::size_t kMax = 1 << 20;
  os::Io& io = os::real_io();
  const int file = io.open(path.c_str(), os::kRead | os::kFollow);
  if (file < 0) return failed(ErrorClass::kDisableSink, path, "opening it", -file);
  std::string text(kMax + 1, '\0');
  const i64 got = os::pread_all(io, file, text.data(), text.size(), 0);
  io.close(file);
  if (got < 0) return failed(ErrorClass::kDisableSink, path, "reading it", int(-got));
  if (u64(got) > kMax) {
    return Status(ErrorClass::kDisableSink, path + ": longer than 1 MiB, so it holds no keys");
  }
  text.resize(std::size_t(got));
  return text;
}

}  // namespace sluice::upload
