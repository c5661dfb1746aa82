// A forked child has no uploader: its calls return, its end does not wait for threads it lacks.
//
// sanitizers: none (a program with threads forks)
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "sluice/upload.h"
#include "stream/stream_files.h"

namespace sluice::test {
namespace {

TEST(UploadFork, AChildHasNoUploader) {
  const OwnDirectory both;
  std::filesystem::create_directory(both.path() + "/from");
  UploadOptions options;
  options.quiet = true;
  options.settle_ms = 0;
  auto started = Uploader::start(both.path() + "/from", both.path() + "/to", options);
  ASSERT_TRUE(started.ok()) << started.status().message();
  std::optional<Uploader> uploader(std::move(started).value());
  ASSERT_TRUE(uploader->drain(60'000));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const bool drained = uploader->drain(60'000);
    const bool stopped = uploader->stop(60'000);
    uploader.reset();
    ::_exit(!drained && stopped ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  // The parent's works on, and still holds the directory.
  std::ofstream(both.path() + "/from/a") << "a";
  EXPECT_TRUE(uploader->drain(60'000));
  EXPECT_EQ(uploader->statistics().successful, 1u);
}

}  // namespace
}  // namespace sluice::test
