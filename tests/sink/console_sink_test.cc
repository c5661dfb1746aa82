// The console: which stream, in which order, in which colour, and what a closed or full pipe costs.
#include "sink/console_sink.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <deque>

#include "sink/make.h"
#include "support/journal_maker.h"

namespace sluice::testing {
namespace {

// Takes what is written to descriptors 1 and 2; `script` answers the first writes.
class StreamIo final : public os::Io {
 public:
  struct Write {
    int fd;
    std::string text;
  };
  std::vector<Write> writes;
  std::deque<i64> script;  // < 0: this error; else: so many bytes at most

  i64 write(int fd, const void* from, std::size_t size) override {
    if (!script.empty()) {
      const i64 answer = script.front();
      script.pop_front();
      if (answer < 0) return answer;
      size = std::min(size, std::size_t(answer));
    }
    writes.push_back({fd, std::string(static_cast<const char*>(from), size)});
    return i64(size);
  }
  [[nodiscard]] std::string text(int fd) const {
    std::string all;
    for (const Write& one : writes) all += one.fd == fd ? one.text : "";
    return all;
  }

  int open(const char*, u32) override { return -ENOSYS; }
  int close(int) override { return -ENOSYS; }
  i64 pread(int, void*, std::size_t, u64) override { return -ENOSYS; }
  i64 pwrite(int, const void*, std::size_t, u64) override { return -ENOSYS; }
  i64 read(int, void*, std::size_t) override { return -ENOSYS; }
  int truncate(int, u64) override { return -ENOSYS; }
  int allocate(int, u64, u64) override { return -ENOSYS; }
  int sync_data(int) override { return -ENOSYS; }
  int sync_directory(const char*) override { return -ENOSYS; }
  int stat(const char*, os::FileInfo&) override { return -ENOSYS; }
  int stat_followed(const char*, os::FileInfo&) override { return -ENOSYS; }
  int stat_fd(int, os::FileInfo&) override { return -ENOSYS; }
  int rename(const char*, const char*) override { return -ENOSYS; }
  int unlink(const char*) override { return -ENOSYS; }
  int make_directory(const char*) override { return -ENOSYS; }
  int lock(int, u64, bool) override { return -ENOSYS; }
  int unlock(int, u64) override { return -ENOSYS; }
  int list(const char*, const std::function<void(const char*)>&) override { return -ENOSYS; }
};

class ConsoleSinkTest : public ::testing::Test {
 protected:
  ConsoleSinkTest() {
    info_ = journal_.add_site(text_site("info {}", {{ArgType::kU64, ""}}));
    error_ = journal_.add_site(text_site("error {}", {{ArgType::kU64, ""}}, Level::error));
    config_.pattern = "%(level) %(message)";
    config_.color = Color::never;
  }
  void make(os::Io& io) {
    auto made = sink::make_sink(config_, io, region_.get());
    ASSERT_TRUE(made.ok()) << made.status().message();
    sink_ = std::move(made.value());
    ASSERT_TRUE(sink_->open(catalog_, cursor_).ok());
  }
  Status write(std::size_t batch = 0) {
    const BatchView view(journal_.batches()[batch].data());
    return sink_->write({&view, 1}, catalog_, cursor_);
  }

  TestRegion region_;
  JournalMaker journal_{region_.get()};
  back::Catalog catalog_{region_.get()};
  back::Cursor cursor_{region_.entry()};
  back::SinkConfig config_;
  StreamIo io_;
  std::unique_ptr<back::Sink> sink_;
  u32 info_ = 0;
  u32 error_ = 0;
};

TEST_F(ConsoleSinkTest, ErrorsGoToStandardErrorInOrderAndInRuns) {
  for (const u32 site : {info_, info_, error_, error_, info_}) {
    journal_.add(site, {number(journal_.next_sequence())});
  }
  journal_.commit();
  make(io_);
  ASSERT_TRUE(write().ok());
  ASSERT_EQ(io_.writes.size(), 3u);
  EXPECT_EQ(io_.writes[0].fd, 1);
  EXPECT_EQ(io_.writes[0].text, "info info 1\ninfo info 1\n");
  EXPECT_EQ(io_.writes[1].fd, 2);
  EXPECT_EQ(io_.writes[1].text, "error error 1\nerror error 1\n");
  EXPECT_EQ(io_.writes[2].fd, 1);
  EXPECT_EQ(cursor_.sequence(), 6u);
  EXPECT_EQ(region_.entry().delivered.load(), 5u);
}

TEST_F(ConsoleSinkTest, ColourIsForTheLevel) {
  config_.color = Color::always;
  journal_.add(error_, {number(1)});
  journal_.commit();
  make(io_);
  ASSERT_TRUE(write().ok());
  const std::string line = io_.text(2);
  EXPECT_TRUE(line.starts_with("\x1b[")) << line;
  EXPECT_TRUE(line.ends_with(" error 1\n")) << line;
}

TEST_F(ConsoleSinkTest, NoColourWithoutATerminal) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_FALSE(sink::ConsoleSink::wants_color(Color::automatic, ends[1]));
  EXPECT_TRUE(sink::ConsoleSink::wants_color(Color::always, ends[1]));
  EXPECT_FALSE(sink::ConsoleSink::wants_color(Color::never, ends[1]));
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal >= 0 && ::isatty(terminal)) {
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "xterm", 1);
    EXPECT_TRUE(sink::ConsoleSink::wants_color(Color::automatic, terminal));
    ::setenv("NO_COLOR", "1", 1);
    EXPECT_FALSE(sink::ConsoleSink::wants_color(Color::automatic, terminal));
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "dumb", 1);
    EXPECT_FALSE(sink::ConsoleSink::wants_color(Color::automatic, terminal));
  }
  ::close(terminal);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ConsoleSinkTest, AFullPipeGoesOnInTheMiddleOfTheLine) {
  for (u64 i = 0; i < 3; ++i) journal_.add(info_, {number(i)});
  journal_.commit();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  std::string fill(1 << 20, 'x');
  while (::write(ends[1], fill.data(), fill.size()) > 0) {
  }
  const int saved = ::dup(1);
  ::dup2(ends[1], 1);  // what wait_writable() waits for
  make(io_);
  io_.script = {7, -EINTR, 9, -EAGAIN};
  const Status full = write();
  ::dup2(saved, 1);
  EXPECT_EQ(full.error_class(), ErrorClass::kRetryable);
  EXPECT_EQ(cursor_.sequence(), 1u);
  EXPECT_TRUE(write().ok());
  EXPECT_EQ(io_.text(1), "info info 0\ninfo info 1\ninfo info 2\n");
  EXPECT_EQ(region_.entry().delivered.load(), 3u);
  EXPECT_EQ(cursor_.sequence(), 4u);
  for (const int fd : {saved, ends[0], ends[1]}) ::close(fd);
}

TEST_F(ConsoleSinkTest, AClosedPipeCostsItsLinesAndNothingElse) {
  journal_.add(info_, {number(1)});
  journal_.add(error_, {number(2)});
  journal_.add(info_, {number(3)});
  journal_.commit();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const int saved = ::dup(1);
  ::fflush(stdout);
  ::dup2(ends[1], 1);
  make(os::real_io());  // a real SIGPIPE, with its default action, would end this test
  const Status closed = write();
  ::dup2(saved, 1);
  EXPECT_EQ(closed.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(closed.message().find("standard output: closed"), std::string::npos)
      << closed.message();
  EXPECT_TRUE(write().ok());
  EXPECT_EQ(region_.entry().delivered.load(), 1u);
  EXPECT_EQ(region_.entry().dropped_error.load(), 2u);
  EXPECT_EQ(cursor_.sequence(), 4u);
  ::close(saved);
  ::close(ends[1]);
}

TEST_F(ConsoleSinkTest, AGapIsSaidOnStandardError) {
  journal_.add(info_, {number(1)});
  journal_.commit();
  make(io_);
  ASSERT_TRUE(sink_->write_gap(3, 8).ok());
  ASSERT_TRUE(write().ok());
  EXPECT_NE(io_.text(2).find("8"), std::string::npos);
  EXPECT_EQ(io_.text(1), "info info 1\n");
}

}  // namespace
}  // namespace sluice::testing
