#include "store/file.h"

#include "os/io.h"
#include "store/schema.h"

namespace sluice::storage {

Status check_file(const std::string& path) {
  os::FileInfo info;
  if (os::real_io().stat(path.c_str(), info) < 0 || info.size == 0) return {};
  const DatabaseUse use;
  const Result<std::unique_ptr<Connection>> connection = Connection::open(path, Access::kRead);
  if (!connection.ok()) return {};
  const Result<SchemaState> state = look_at_schema(*connection.value());
  if (!state.ok()) return {};
  const SchemaState there = state.value();
  const bool will_do = there == SchemaState::kEmpty || there == SchemaState::kOlder;
  return will_do ? Status() : refuse_unless_current(there, path);
}

Result<std::string> set_aside(const std::string& path) {
  const DatabaseUse use;
  // Another process may have put a sound file there meanwhile.
  const Result<std::unique_ptr<Connection>> again = Connection::open(path, Access::kRead);
  if (again.ok()) {
    const Result<SchemaState> state = look_at_schema(*again.value());
    if (state.ok() && state.value() != SchemaState::kForeign) {
      const Result<i64> rows = again.value()->integer_of("SELECT count(*) FROM runs");
      if (rows.ok()) return std::string();
    }
  }
  os::Io& io = os::real_io();
  for (u32 n = 1;; ++n) {
    const std::string name = path + ".damaged-" + std::to_string(n);
    os::FileInfo info;
    if (io.stat(name.c_str(), info) == 0) continue;
    const int error = io.rename(path.c_str(), name.c_str());
    if (error < 0) {
      return Status{ErrorClass::kRetryable,
                    path + ": is damaged and cannot be set aside: " + os::error_text(error),
                    -error};
    }
    for (const char* const suffix : {"-wal", "-shm"}) {
      (void)io.rename((path + suffix).c_str(), (name + suffix).c_str());
    }
    return name;
  }
}

}  // namespace sluice::storage
