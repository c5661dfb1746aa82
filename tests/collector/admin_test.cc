// sanitizers: address
// One thread with a child as its client, and the uid of that is changed.
#include "collector/admin.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <vector>

#include "os/process.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::collector {
namespace {

constexpr i64 kSecond = 1'000'000'000;
constexpr i64 kPatience = 60 * kSecond;

class Admin : public ::testing::Test {
 protected:
  void start(u32 user = os::user_id()) {
    const int listener = os::listen_unix(path_, 128);
    ASSERT_GE(listener, 0);
    server_ = std::make_unique<AdminServer>(
        AdminServer::Options{.listener = listener,
                             .user = user,
                             .client_ns_max = kPatience,
                             .answer =
                                 [](std::string_view command) {
                                   if (command == "big") return std::string(800'000, 'x');
                                   return "{\"asked\":\"" + std::string(command) + "\"}";
                                 }},
        poll_, 100);
  }
  // One round of the loop that the daemon has; false: nothing came in so long.
  bool serve_once(i64 timeout_ns = kPatience) {
    os::SocketPoll::Event events[16];
    const int count = poll_.wait(events, timeout_ns);
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(server_->on_event(events[i], os::monotonic_ns()));
    }
    return count > 0;
  }
  void serve_until_answered(u64 answered) {
    while (server_->stats().answered + server_->stats().refused < answered && serve_once()) {
    }
  }
  // What ask_admin() says in a process of its own, which `before` prepares.
  std::string asked_by_another(const std::string& command,
                               const std::function<void()>& before = {}) {
    const std::string said = folder_.path() + "/said";
    std::ofstream(said).close();
    ::chmod(said.c_str(), 0666);
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (before) before();
      const Result<std::string> answer = ask_admin(path_, command, kPatience);
      std::ofstream(said) << (answer.ok() ? answer.value() : answer.status().message());
      ::_exit(0);
    }
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) serve_once(kSecond / 100);
    return test::read_file(said);
  }
  std::string said_on(int fd) {
    std::string text;
    char bytes[4096];
    while (true) {
      const i64 got = os::receive_some(fd, bytes, sizeof bytes);
      if (got > 0) text.append(bytes, std::size_t(got));
      if (got == 0 || (got < 0 && got != -EAGAIN)) return text;
      if (got == -EAGAIN && !serve_once(kSecond / 100) && text.empty()) return "nothing";
    }
  }

  const test::OwnDirectory folder_;
  const std::string path_ = folder_.path() + "/admin";
  os::SocketPoll poll_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(Admin, AnswersOneQuestionAConnection) {
  start();
  EXPECT_EQ(asked_by_another("status"), "{\"asked\":\"status\"}\n");
  EXPECT_EQ(asked_by_another("big").size(), 800'001U) << "more than a socket takes at once";
  EXPECT_EQ(server_->stats().answered, 2U);
}

TEST_F(Admin, OtherUsersAreClosedUnheard) {
  if (os::user_id() != 0) GTEST_SKIP() << "only root can be another user";
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  start();
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0) << "let past the mode: the credentials keep him out";
  const auto as_nobody = [] { (void)!::setresuid(65534, 65534, 65534); };
  EXPECT_NE(asked_by_another("status", as_nobody).find("another user's"), std::string::npos);
  EXPECT_EQ(server_->stats().answered, 0U);
  EXPECT_EQ(server_->stats().refused, 1U);
  EXPECT_EQ(asked_by_another("status"), "{\"asked\":\"status\"}\n") << "control: root is heard";
}

TEST_F(Admin, ItsUserIsHeardAndSoIsRoot) {
  if (os::user_id() != 0) GTEST_SKIP() << "only root can be another user";
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  start(65534);
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const auto as_nobody = [] { (void)!::setresuid(65534, 65534, 65534); };
  EXPECT_EQ(asked_by_another("a", as_nobody), "{\"asked\":\"a\"}\n");
  EXPECT_EQ(asked_by_another("b"), "{\"asked\":\"b\"}\n");
}

TEST_F(Admin, WhatIsNoLineIsToldSo) {
  start();
  const std::string lines[] = {"sluice-admin/2 status\n", "GET / HTTP/1.1\n", "\n",
                               "sluice-admin/1\n", std::string(kAdminLineMax, 'x')};
  u64 count = 0;
  for (const std::string& line : lines) {
    const int fd = os::connect_unix(path_);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(os::send_some(fd, line.data(), line.size()), i64(line.size()));
    serve_until_answered(++count);
    EXPECT_NE(said_on(fd).find("different versions"), std::string::npos) << line;
    ::close(fd);
  }
  EXPECT_EQ(server_->stats().refused, std::size(lines));
}

TEST_F(Admin, ALineMayComeInPieces) {
  start();
  const int fd = os::connect_unix(path_);
  for (const char c : std::string("sluice-admin/1 slow\n")) {
    ASSERT_EQ(os::send_some(fd, &c, 1), 1);
    serve_once(0);
  }
  serve_until_answered(1);
  EXPECT_EQ(said_on(fd), "{\"asked\":\"slow\"}\n");
  ::close(fd);
}

TEST_F(Admin, WhoSaysNothingIsClosedWhenHisTimeIsOver) {
  start();
  const int fd = os::connect_unix(path_);
  ASSERT_TRUE(serve_once());
  const i64 now = os::monotonic_ns();
  EXPECT_GT(server_->expire(now), 0);
  EXPECT_EQ(server_->expire(now + kPatience), -1);
  EXPECT_EQ(server_->stats().dropped, 1U);
  EXPECT_EQ(said_on(fd), "");
  ::close(fd);
}

TEST_F(Admin, MoreThanSoManyDisplaceTheOldest) {
  start();
  std::vector<int> silent;
  for (std::size_t i = 0; i < 2 * kAdminClientsMax; ++i) {
    silent.push_back(os::connect_unix(path_));
    ASSERT_GE(silent.back(), 0);
    ASSERT_TRUE(serve_once());
  }
  EXPECT_EQ(server_->stats().dropped, kAdminClientsMax);
  EXPECT_EQ(asked_by_another("status"), "{\"asked\":\"status\"}\n");
  for (const int fd : silent) ::close(fd);
}

TEST_F(Admin, NobodyThereIsSaidAsThat) {
  const Result<std::string> answer = ask_admin(path_, "status", kSecond);
  EXPECT_EQ(answer.status().error_class(), ErrorClass::kRetryable);
  EXPECT_EQ(answer.status().message(), "no collector runs at " + path_);
}

TEST_F(Admin, AServerThatDoesNotAnswerIsGivenUp) {
  const int listener = os::listen_unix(path_, 1);
  const Result<std::string> answer = ask_admin(path_, "status", kSecond / 20);
  EXPECT_EQ(answer.status().error_class(), ErrorClass::kFatal);
  EXPECT_NE(answer.status().message().find("ETIMEDOUT"), std::string::npos);
  ::close(listener);
}

TEST(AdminCommand, IsWhatStandsBehindTheVersion) {
  EXPECT_EQ(admin_command("sluice-admin/1 status"), "status");
  EXPECT_EQ(admin_command("sluice-admin/1 a b"), "a b");
  for (const char* const line : {"", "sluice-admin/1", "sluice-admin/1 ", "sluice-admin/11 status",
                                 "sluice-admin/1status", " sluice-admin/1 status"}) {
    EXPECT_EQ(admin_command(line), std::nullopt) << line;
  }
}

}  // namespace
}  // namespace sluice::collector
