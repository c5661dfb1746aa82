// sanitizers: none
// It forks a program with threads. A forked child has its parent's handles, and nothing behind
// them.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "append/scripted_server.h"

namespace sluice::test {
namespace {

std::size_t open_sockets() {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    found += target.starts_with("socket:") ? 1 : 0;
  }
  return found;
}

// In the child: 0 when all is as it must be, else which check failed.
int check_child(ProxyFile& parents, std::size_t sockets_before, const ProxyOptions& options) {
  if (open_sockets() != sockets_before) return 1;
  if (parents.write("child's") != Admission::kStopped) return 2;
  if (parents.statistics().refused_stopped != 1 || parents.statistics().accepted != 0) return 3;
  if (parents.wait_for_room(1, 0) || parents.check_rotated()) return 4;
  if (parents.status().ok() || parents.close().ok()) return 5;
  auto own = ProxyFile::open("/tmp/child", options);
  if (!own.ok()) return 6;
  if (own.value().write("own") != Admission::kOk) return 7;
  return own.value().close().ok() ? 0 : 8;
}

TEST(AppendFork, AChildRefusesCountsAndOpensItsOwn) {
  ScriptedServer server;
  const std::size_t sockets_before = open_sockets();
  std::string heard, childs;
  server.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    heard = end.hear_all();
    end.tell("BYE");
  });
  ScriptedServer for_child;
  for_child.play([&](ServerEnd& end) {
    (void)end.hear_path();
    end.tell("OK");
    childs = end.hear_all();
    end.tell("BYE");
  });
  auto file = server.open(server.options());
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file.value().write("before "), Admission::kOk);
  // The server's end of the connection is in this process too, and for_child's listener.
  const std::size_t others = open_sockets() - sockets_before - 1;
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(check_child(file.value(), sockets_before + others, for_child.options()));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(file.value().write("after"), Admission::kOk);
  EXPECT_TRUE(file.value().close().ok());
  server.join();
  for_child.join();
  EXPECT_EQ(heard, "before after");
  EXPECT_EQ(childs, "own");
}

}  // namespace
}  // namespace sluice::test
