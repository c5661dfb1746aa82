// A disk that never answers: a file system that is frozen, where write() and fdatasync() stand
// still until it is thawed. Callers do not notice; flush() and stop() keep their deadlines; nothing
// is lost.
//
// sanitizers: none (threads stand still in the kernel)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sluice/sluice.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

#include "contract/conservation.h"
#include "contract/isolated.h"
#include "contract/outputs.h"

namespace sluice::test {
namespace {

// An ext4 file system in a file. It is thawed and unmounted whatever becomes of the test's child.
class FreezableDisk {
 public:
  explicit FreezableDisk(const std::string& directory) : path_(directory + "/disk") {
    std::filesystem::create_directory(path_);
    const std::string image = directory + "/image";
    mounted_ = run("truncate -s 32M " + image) && run("mkfs.ext4 -q -F " + image) &&
               run("mount -o loop " + image + " " + path_);
    if (!mounted_) std::printf("skipped: no loop device or mount here\n");
  }
  ~FreezableDisk() {
    if (!mounted_) return;
    (void)set_frozen(false);
    ::umount2(path_.c_str(), MNT_DETACH);
  }
  FreezableDisk(const FreezableDisk&) = delete;
  FreezableDisk& operator=(const FreezableDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool set_frozen(bool frozen) const {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    const bool done = fd >= 0 && ::ioctl(fd, frozen ? FIFREEZE : FITHAW, 0) == 0;
    ::close(fd);
    return done;
  }

 private:
  static bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  }
  std::string path_;
  bool mounted_ = false;
};

long waits_of_this_thread() {
  rusage usage;
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

Options options_on(const FreezableDisk& disk, const Dirs& dirs) {
  return {.product = "hung",
          .sinks = {text_file(disk.path() + "/a.log"), json_file(disk.path() + "/a.jsonl"),
                    segment_files(disk.path() + "/segments")},
          .ring_bytes = 64 * 1024,
          .journal_bytes = 1 << 20,
          .region_directory = dirs.region,
          .quiet = true};
}

void callers_do_not_notice(const FreezableDisk& disk, const Dirs& dirs) {
  ASSERT_TRUE(start(options_on(disk, dirs)));
  Attempts mine;
  const auto say = [&mine](int count) {
    for (int i = 0; i < count; ++i) mine.add(info("number {} of this disk", i));
  };
  say(10);
  ASSERT_TRUE(flush(Reach::durable, 60'000).complete);
  ASSERT_TRUE(disk.set_frozen(true));
  const long waits = waits_of_this_thread();
  say(100'000);  // more than the rings and the journal hold
  EXPECT_EQ(waits_of_this_thread() - waits, 0);
  const FlushResult stuck = flush(Reach::written, 200);
  EXPECT_FALSE(stuck.complete);
  EXPECT_EQ(stuck.behind, 3u);
  ASSERT_TRUE(disk.set_frozen(false));
  ASSERT_TRUE(flush(Reach::written, 30'000).complete);
  const Stats told = stats();
  EXPECT_GT(told.dropped_ring_full, 0u);
  EXPECT_EQ(imbalance(mine, told), "");
  EXPECT_EQ(imbalance_of_sinks(told), "");
  std::uint64_t lines = 0;
  for (const std::string& line : read_lines(disk.path() + "/a.log")) {
    lines += line.ends_with(" of this disk");
  }
  EXPECT_EQ(lines, mine.accepted());
  EXPECT_TRUE(stop(60'000));
}

void stop_keeps_its_deadline(const FreezableDisk& disk, const Dirs& dirs) {
  ASSERT_TRUE(start(options_on(disk, dirs)));
  info("before");
  ASSERT_TRUE(flush(Reach::durable, 60'000).complete);
  ASSERT_TRUE(disk.set_frozen(true));
  info("while it is frozen");
  EXPECT_FALSE(stop(300)) << "and it returns";
  EXPECT_NE(last_error().find("not everything was delivered"), std::string_view::npos);
  ASSERT_TRUE(disk.set_frozen(false));
}

void expect_on_a_hung_disk(void (*body)(const FreezableDisk&, const Dirs&)) {
  const OwnDirs dirs;
  const FreezableDisk disk(dirs.get().files);
  if (!disk.mounted()) return;
  EXPECT_EQ(exit_code_of([&] {
              ::alarm(120);
              body(disk, dirs.get());
            }),
            0)
      << "in the test's own process, see above";
}

TEST(HungDisk, CallersDoNotNoticeAndNothingIsLost) { expect_on_a_hung_disk(callers_do_not_notice); }
TEST(HungDisk, StopKeepsItsDeadline) { expect_on_a_hung_disk(stop_keeps_its_deadline); }

}  // namespace
}  // namespace sluice::test
