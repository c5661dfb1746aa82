// sanitizers: address (one thread that runs commands)
//
// sluice run beside a collector: how a program ended that does not know of Sluice, and what it
// said.
#include "cli/serve_fixture.h"
#include "os/child.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class RunCollector : public ServeCli {
 protected:
  // Runs `program` so, and gives the run of it that the store has in the end.
  json run(const std::string& product, const std::string& program) {
    finished_ = sh("SLUICE_COLLECTOR_SOCKET=run/ingest.sock $SLUICE run --product " + product +
                   " -- " + program);
    json found;
    EXPECT_TRUE(eventually([&] {
      for (const std::string& line : lines_of(sh("$SLUICE runs --store all.db --json").out)) {
        found = json::parse(line, nullptr, false);
        if (found.is_object() && found.value("product", "") == product) {
          return found["status"] != "active";
        }
      }
      return false;
    })) << own_records();
    return found;
  }

  Finished finished_;
};

TEST_F(RunCollector, KeepsWhatItSaidAndHowItEnded) {
  serve();
  json found = run("ends", "sh -c 'echo one; echo two >&2; exit 7'");
  EXPECT_EQ(finished_.code, 7);
  EXPECT_EQ(finished_.out, "one\n");
  EXPECT_EQ(finished_.error, "two\n");
  EXPECT_EQ(found["exit_code"], 7) << found;
  EXPECT_EQ(found["status"], "failed") << found;
  const std::string logs = sh("$SLUICE logs --store all.db --logger sh").out;
  EXPECT_NE(logs.find("one"), std::string::npos) << logs;
  EXPECT_NE(logs.find("two"), std::string::npos) << logs;
  found = run("dies", "sh -c 'kill -SEGV $$'");
  EXPECT_EQ(finished_.code, 128 + SIGSEGV);
  EXPECT_EQ(found["signal"], SIGSEGV) << found;
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(RunCollector, WithoutACollectorItIsAMistake) {
  const std::string program = " $SLUICE run -- touch started";
  const Finished none = sh("SLUICE_COLLECTOR_SOCKET=run/none.sock" + program);
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.error.find("no collector listens at run/none.sock"), std::string::npos)
      << none.error;
  serve();
  const Finished off = sh("SLUICE_COLLECTOR_SOCKET=run/ingest.sock SLUICE_COLLECTOR=off" + program);
  EXPECT_EQ(off.code, 2);
  EXPECT_NE(off.error.find("SLUICE_COLLECTOR is off"), std::string::npos) << off.error;
  EXPECT_FALSE(std::filesystem::exists(path("started")));
  EXPECT_EQ(stop(), 0) << text("error");
}

// Nothing is run whose lines would go to the console twice.
TEST_F(RunCollector, ACollectorThatRefusesIsAMistake) {
  std::filesystem::create_directory(path("run"));
  int listener = os::listen_unix(path("run/ingest.sock"), 16);
  ASSERT_GE(listener, 0);
  const pid_t refuser = ::fork();
  while (refuser == 0) {
    (void)os::wait_readable(listener, -1, -1);
    int socket = os::accept_unix(listener);
    constexpr std::string_view kWhy = "it has no mind to\n";
    (void)os::send_some(socket, kWhy.data(), kWhy.size());
    os::close_descriptor(socket);
  }
  const Finished refused =
      sh("SLUICE_COLLECTOR_SOCKET=run/ingest.sock $SLUICE run -- touch started");
  ::kill(refuser, SIGKILL);
  wait_for(refuser);
  os::close_descriptor(listener);
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_NE(refused.error.find("it has no mind to"), std::string::npos) << refused.error;
  EXPECT_NE(refused.error.find("the collector does not take it"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("started")));
}

}  // namespace
}  // namespace sluice::test
