// os::Io in memory: files and directories that live as long as the object.
//
// Paths are taken as they are written; a file's parent directory must exist. Descriptors are small
// numbers from 3 on. Durability is modelled byte by byte: power_loss() leaves what sync_data() and
// sync_directory() made durable, and a failed sync marks bytes clean without saving them, as Linux
// does, so that a second sync "succeeds" and saves nothing. Locks always succeed. Threads: none.
#ifndef SLUICE_TESTS_SUPPORT_MEMORY_IO_H_
#define SLUICE_TESTS_SUPPORT_MEMORY_IO_H_

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/io.h"

namespace sluice::testing {

class MemoryIo : public os::Io {
 public:
  using Bytes = std::vector<std::byte>;

  // All files may hold so many bytes together; a write past it is short, then -ENOSPC.
  u64 space = ~u64{0};
  // So many calls of sync_data() succeed, then one fails with EIO; 0 calls: the next one.
  std::optional<u64> good_syncs;

  MemoryIo() { directories_.insert({"/", "."}); }

  int open(const char* path, u32 flags) override {
    auto found = files_.find(path);
    if (found == files_.end()) {
      if (!(flags & os::kCreate) || !directories_.contains(parent_of(path))) return -ENOENT;
      found = files_.emplace(path, std::make_shared<File>()).first;
      found->second->inode = next_inode_++;
    } else if ((flags & os::kCreate) && (flags & os::kExclusive)) {
      return -EEXIST;
    }
    const int fd = next_fd_++;
    open_[fd] = {found->second, flags, 0};
    return fd;
  }
  int close(int fd) override { return open_.erase(fd) ? 0 : -EBADF; }

  i64 pread(int fd, void* to, std::size_t size, u64 offset) override {
    Open* const file = find(fd, os::kRead);
    if (!file) return -EBADF;
    const Bytes& bytes = file->file->bytes;
    if (offset >= bytes.size()) return 0;
    const std::size_t count = std::min<u64>(size, bytes.size() - offset);
    std::copy_n(bytes.begin() + i64(offset), count, static_cast<std::byte*>(to));
    return i64(count);
  }
  i64 pwrite(int fd, const void* from, std::size_t size, u64 offset) override {
    Open* const file = find(fd, os::kWrite);
    if (!file) return -EBADF;
    Bytes& bytes = file->file->bytes;
    const u64 others = used() - bytes.size();
    const u64 room = space > others ? space - others : 0;
    const u64 limit = std::max<u64>(room, bytes.size());
    const std::size_t count =
        offset >= limit ? 0 : std::size_t(std::min<u64>(size, limit - offset));
    if (count == 0 && size > 0) return -ENOSPC;
    file->file->resize(std::max<u64>(bytes.size(), offset + count));
    std::copy_n(static_cast<const std::byte*>(from), count, bytes.begin() + i64(offset));
    file->file->written(offset, offset + count);
    return i64(count);
  }
  i64 read(int fd, void* to, std::size_t size) override {
    Open* const file = find(fd, os::kRead);
    if (!file) return -EBADF;
    const i64 count = pread(fd, to, size, file->position);
    if (count > 0) file->position += u64(count);
    return count;
  }
  i64 write(int fd, const void* from, std::size_t size) override {
    Open* const file = find(fd, os::kWrite);
    if (!file) return -EBADF;
    const i64 count = pwrite(fd, from, size, file->position);
    if (count > 0) file->position += u64(count);
    return count;
  }
  int truncate(int fd, u64 size) override {
    Open* const file = find(fd, os::kWrite);
    if (!file) return -EBADF;
    file->file->resize(size);
    return 0;
  }
  int allocate(int fd, u64 offset, u64 size) override {
    Open* const file = find(fd, os::kWrite);
    if (!file) return -EBADF;
    if (file->file->bytes.size() < offset + size) file->file->resize(offset + size);
    return 0;
  }
  int sync_data(int fd) override {
    const auto found = open_.find(fd);
    if (found == open_.end()) return -EBADF;
    File& file = *found->second.file;
    const bool fails = good_syncs && (*good_syncs)-- == 0;
    if (fails) good_syncs.reset();
    file.resize(file.bytes.size());  // a test may have changed them
    file.durable.resize(file.bytes.size());
    if (!fails) file.save();
    file.dirty.clear();
    return fails ? -EIO : 0;
  }
  int sync_directory(const char* path) override {
    if (!directories_.contains(path)) return -ENOENT;
    std::erase_if(durable_names_, [&](const auto& name) { return parent_of(name.first) == path; });
    for (const auto& [name, file] : files_) {
      if (parent_of(name) == path) durable_names_[name] = file;
    }
    return 0;
  }
  int stat(const char* path, os::FileInfo& out) override {
    out = {};
    if (directories_.contains(path)) {
      out.directory = true;
      return 0;
    }
    const auto found = files_.find(path);
    if (found == files_.end()) return -ENOENT;
    fill(*found->second, out);
    return 0;
  }
  // There are no links here.
  int stat_followed(const char* path, os::FileInfo& out) override { return stat(path, out); }
  int stat_fd(int fd, os::FileInfo& out) override {
    const auto found = open_.find(fd);
    if (found == open_.end()) return -EBADF;
    fill(*found->second.file, out);
    return 0;
  }
  int rename(const char* from, const char* to) override {
    const auto found = files_.find(from);
    if (found == files_.end()) return -ENOENT;
    auto file = found->second;
    files_.erase(found);
    files_[to] = std::move(file);
    return 0;
  }
  int unlink(const char* path) override { return files_.erase(path) ? 0 : -ENOENT; }
  int make_directory(const char* path) override {
    return directories_.insert(path).second ? 0 : -EEXIST;
  }
  int lock(int, u64, bool) override { return 0; }
  int unlock(int, u64) override { return 0; }
  int list(const char* path, const std::function<void(const char*)>& each) override {
    if (!directories_.contains(path)) return -ENOENT;
    for (const auto& [name, file] : files_) {
      if (parent_of(name) == path) each(name.c_str() + name.rfind('/') + 1);
    }
    return 0;
  }

  // ---- for tests ----

  [[nodiscard]] Bytes& bytes(const std::string& path) { return files_.at(path)->bytes; }
  void put(const std::string& path, Bytes bytes) {
    auto file = std::make_shared<File>();
    file->inode = next_inode_++;
    file->bytes = std::move(bytes);
    file->written(0, file->bytes.size());
    files_[path] = std::move(file);
  }
  [[nodiscard]] std::vector<std::string> paths() const {
    std::vector<std::string> names;
    for (const auto& [name, file] : files_) names.push_back(name);
    return names;
  }
  [[nodiscard]] std::size_t open_descriptors() const { return open_.size(); }
  // Everything that was not made durable is gone, every descriptor is closed.
  void power_loss() {
    open_.clear();
    files_ = durable_names_;
    for (auto& [name, file] : files_) {
      file->bytes = file->durable;
      file->dirty.clear();
      file->size = file->bytes.size();
    }
  }

 private:
  struct File {
    Bytes bytes;
    Bytes durable;
    std::vector<std::pair<u64, u64>> dirty;  // from, to: written since the last sync
    u64 size = 0;                            // of bytes, when it was last changed here
    u64 inode = 0;

    void written(u64 from, u64 to) {
      size = bytes.size();
      if (!dirty.empty() && dirty.back().second == from) {
        dirty.back().second = to;
      } else if (from < to) {
        dirty.push_back({from, to});
      }
    }
    void resize(u64 to) {
      bytes.resize(to);
      written(std::min(size, to), to);
    }
    void save() {
      for (const auto& [from, to] : dirty) {
        const u64 end = std::min<u64>(to, bytes.size());
        if (from < end) std::copy_n(bytes.data() + from, end - from, durable.data() + from);
      }
    }
  };
  struct Open {
    std::shared_ptr<File> file;
    u32 flags = 0;
    u64 position = 0;
  };

  static std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  static void fill(const File& file, os::FileInfo& out) {
    out = {};
    out.inode = file.inode;
    out.size = file.bytes.size();
    out.mode = 0600;
    out.links = 1;
    out.regular = true;
  }
  Open* find(int fd, u32 needed) {
    const auto found = open_.find(fd);
    return found != open_.end() && (found->second.flags & needed) ? &found->second : nullptr;
  }
  [[nodiscard]] u64 used() const {
    u64 total = 0;
    for (const auto& [name, file] : files_) total += file->bytes.size();
    return total;
  }

  std::map<std::string, std::shared_ptr<File>> files_;
  std::map<std::string, std::shared_ptr<File>> durable_names_;
  std::set<std::string> directories_;
  std::map<int, Open> open_;
  int next_fd_ = 3;
  u64 next_inode_ = 1;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_MEMORY_IO_H_
