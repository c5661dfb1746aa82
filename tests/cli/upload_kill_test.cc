// SIGKILL at random moments of `sluice upload`: every file arrives once and whole, and is removed
// here only when it is there.
//
// sanitizers: none (children of a process are killed here)
#include <sys/wait.h>

#include <map>
#include <random>

#include "cli/cli_fixture.h"
#include "upload/packer.h"
#include "upload/unpacked.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 8;
constexpr std::size_t kFileBytes = 2 << 20;

const std::string& content_of(int file) {
  static std::map<int, std::string> all;
  std::string& text = all[file];
  if (!text.empty()) return text;
  text.resize(kFileBytes);
  std::mt19937 random{unsigned(file)};
  for (char& byte : text) byte = char(random());
  return text;
}

// At any moment: what is not here is there, and what is there is whole.
std::string broken(const std::string& from, const std::string& to,
                   UploadCompression how = UploadCompression::none) {
  const std::string ending(upload::name_ending(how));
  for (int file = 0; file < kFiles; ++file) {
    const std::string name = "/f" + std::to_string(file);
    const bool there = fs::exists(to + name + ending);
    if (!there && !fs::exists(from + name)) return name + " is nowhere";
    if (!there) continue;
    const std::string text = read_file(to + name + ending);
    const bool whole = how == UploadCompression::none
                           ? text == content_of(file)
                           : upload::unpacked(how, text) == content_of(file);
    if (!whole) return name + " is not whole";
  }
  return {};
}

TEST_F(Cli, UploadKilledAtRandomMomentsLosesNothing) {
  const int rounds = ::getenv("SLUICE_TEST_FULL") != nullptr ? 60 : 3;
  const char* const given = ::getenv("SLUICE_TEST_SEED");
  const unsigned seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
  std::printf("SLUICE_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const std::string from = path("d"), to = path("out");
  int kills = 0;
  // gzip takes seconds: in ./test --full only.
  constexpr std::pair<UploadCompression, const char*> kWays[] = {
      {UploadCompression::none, ""},
      {UploadCompression::zstd, "--compress zstd"},
      {UploadCompression::none, ""},
      {UploadCompression::gzip, "--compress gzip"}};
  for (int round = 0; round < rounds; ++round) {
    const auto& [how, option] = kWays[round % 4];
    fs::remove_all(from);
    fs::remove_all(to);
    fs::create_directory(from);
    for (int file = 0; file < kFiles; ++file) {
      write("d/f" + std::to_string(file), content_of(file));
    }
    int code = -1;
    // Each has more time than the one before: a slow machine gets through, too.
    for (unsigned most_us = 20'000; code != 0; most_us += most_us / 8) {
      const pid_t child =
          start(std::string("exec $SLUICE upload d --to out --settle 0 --quiet ") + option,
                regions_ + "/o", regions_ + "/e");
      ::usleep(unsigned(random() % most_us));
      ::kill(child, SIGKILL);
      code = wait_for(child);
      kills += code == 128 + SIGKILL ? 1 : 0;
      ASSERT_EQ(broken(from, to, how), "");
      ASSERT_TRUE(code == 0 || code == 128 + SIGKILL) << read_file(regions_ + "/e");
    }
    std::size_t left = 0;
    for (const auto& entry : fs::directory_iterator(to)) {
      left += entry.path().filename().string().starts_with(".") ? 1 : 0;
    }
    EXPECT_EQ(left, 0u) << "parts of killed attempts";
    EXPECT_EQ(std::distance(fs::directory_iterator(from), fs::directory_iterator()), 1);
  }
  EXPECT_GT(kills, 0);
  std::printf("%d kills\n", kills);
}

// The check itself: it notices a file that was removed too early, and one that is half there.
TEST_F(Cli, UploadKillCheckNoticesWhatIsWrong) {
  fs::create_directory(path("d"));
  fs::create_directory(path("out"));
  for (int file = 0; file < kFiles; ++file) {
    write((file % 2 ? "d/f" : "out/f") + std::to_string(file), content_of(file));
  }
  EXPECT_EQ(broken(path("d"), path("out")), "");
  fs::resize_file(path("out/f2"), kFileBytes - 1);
  EXPECT_EQ(broken(path("d"), path("out")), "/f2 is not whole");
  std::string packed;
  ASSERT_TRUE(upload::Packer(UploadCompression::gzip).pack(content_of(0), packed));
  write("out/f0.gz", packed);
  EXPECT_NE(broken(path("d"), path("out"), UploadCompression::gzip), "/f0 is not whole");
  fs::resize_file(path("out/f0.gz"), packed.size() - 1);
  EXPECT_EQ(broken(path("d"), path("out"), UploadCompression::gzip), "/f0 is not whole");
  fs::remove(path("out/f2"));
  EXPECT_EQ(broken(path("d"), path("out")), "/f2 is nowhere");
}

}  // namespace
}  // namespace sluice::test
