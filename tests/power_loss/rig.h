// Loss of power, at any point of what a program did to a disk.
//
//   Rig rig({...});
//   if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
//   ... writes below rig.directory(), and keeps rig.now() with each thing it was told is durable
//   rig.each_point(200, [&](u64 point, const std::string& directory) { ... what is there ... });
//
// An ext4 stands on a loop device over a disk that writes everything down (recorded_disk.h). A
// point is a place in that log: the disk gets what a loss of power there may have left (replay.h),
// is mounted, and looked at.
//
// Threading: single-owner; now() any.
#ifndef SLUICE_TESTS_POWER_LOSS_RIG_H_
#define SLUICE_TESTS_POWER_LOSS_RIG_H_

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "power_loss/mounted_disk.h"
#include "power_loss/recorded_disk.h"
#include "power_loss/replay.h"

namespace sluice::power_loss {

struct RigOptions {
  const char* mount = "data=ordered";  // options of ext4
  u32 delay_us_max = 2000;             // of a write
};

class Rig {
 public:
  explicit Rig(const RigOptions& options) : options_(options), formatted_(kDiskBytes) {
    std::string path = "/tmp/sluice-power-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
    std::filesystem::create_directory(mount_point());
    problem_ = own_mounts();
    if (problem_.empty() && !formatted_.format()) problem_ = "mkfs.ext4 does not work here";
    if (!problem_.empty()) return;
    disk_ =
        std::make_unique<RecordedDisk>(formatted_.bytes(), path_ + "/disk", options.delay_us_max);
    problem_ = disk_->problem();
    if (!problem_.empty()) return;
    mounted_ = std::make_unique<MountedDisk>(disk_->path(), mount_point(), options.mount, true);
    problem_ = mounted_->problem();
    if (!problem_.empty()) return;
    leave_stale_bytes();
    begin_ = now();
  }
  ~Rig() {
    mounted_.reset();
    disk_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // Why there is none.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string directory() const { return mount_point() + "/data"; }
  [[nodiscard]] u64 now() const { return disk_->log().size(); }

  // Makes the file system write what it knows of all files so far, as any other program may.
  void commit() const {
    const std::string path = mount_point() + "/neighbour";
    const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    (void)!::write(fd, "x", 1);
    (void)::fsync(fd);
    ::close(fd);
  }

  // After the session: `count` points by chance, in order, each looked at by `check`.
  void each_point(u32 count, const std::function<void(u64, const std::string&)>& check) {
    const u64 end = now();
    mounted_.reset();
    std::mt19937_64 random(count);
    std::vector<u64> points;
    for (u32 i = 0; i < count; ++i) points.push_back(begin_ + random() % (end - begin_ + 1));
    std::sort(points.begin(), points.end());
    Replay replay(formatted_.bytes(), disk_->log());
    MemoryDisk left(kDiskBytes);
    for (const u64 point : points) {
      replay.advance(point);
      replay.lose(random, left.bytes());
      const MountedDisk mounted(left.path(), mount_point(), options_.mount, false);
      if (!mounted.problem().empty()) throw std::runtime_error(mounted.problem());
      check(point, directory());
    }
  }

 private:
  static constexpr u64 kDiskBytes = u64{32} << 20;

  [[nodiscard]] std::string mount_point() const { return path_ + "/mount"; }
  // Lines of other files, where files will be.
  void leave_stale_bytes() const {
    const std::string path = mount_point() + "/stale";
    std::ofstream file(path);
    for (int i = 0; i < 600'000; ++i) file << "stale bytes of a line that was removed\n";
    file.close();
    ::sync();
    std::filesystem::remove(path);
    commit();
  }

  const RigOptions options_;
  std::string path_;
  std::string problem_;
  MemoryDisk formatted_;
  std::unique_ptr<RecordedDisk> disk_;
  std::unique_ptr<MountedDisk> mounted_;
  u64 begin_ = 0;
};

// What a writer was told: at that place in the log, that so many records are durable.
struct Told {
  u64 place;
  u64 records;
};

inline u64 durable_at(const std::vector<Told>& told, u64 point) {
  u64 records = 0;
  for (const Told& each : told) {
    if (each.place <= point) records = each.records;
  }
  return records;
}

inline u32 points(u32 few, u32 many) {
  return std::getenv("SLUICE_TEST_FULL") != nullptr ? many : few;
}

}  // namespace sluice::power_loss

#endif  // SLUICE_TESTS_POWER_LOSS_RIG_H_
