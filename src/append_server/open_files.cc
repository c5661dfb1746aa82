#include "append_server/open_files.h"

#include <utility>

namespace sluice::append_server {

std::shared_ptr<OpenFile> OpenFiles::join(os::FileKey key) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<OpenFile>& file = files_[key];
  if (!file) file = std::make_shared<OpenFile>(key);
  file->clients.fetch_add(1, std::memory_order_relaxed);  // relaxed: a hint, see OpenFile
  return file;
}

void OpenFiles::leave(const std::shared_ptr<OpenFile>& file) {
  const std::lock_guard lock(mutex_);
  // Relaxed: counted under the mutex, so nobody joins between the last one and its end.
  if (file->clients.fetch_sub(1, std::memory_order_relaxed) == 1) files_.erase(file->key);
}

}  // namespace sluice::append_server
