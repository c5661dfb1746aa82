// sanitizers: address
// sluice serve and sluice status, as an operator and a service manager see them.
#include <sys/un.h>

#include "cli/serve_fixture.h"
#include "os/child.h"
#include "os/service_manager.h"
#include "os/tcp_socket.h"
#include "os/trial.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

class Serve : public ServeCli {
 protected:
  // What Prometheus's own client finds in a page; exit code 77: it is not installed.
  Finished judge(const std::string& page) {
    write("page", page);
    return sh(
        "for python in python3 /usr/bin/python3; do"
        " $python -c 'import prometheus_client' 2> /dev/null &&"
        " exec $python " SLUICE_SOURCE_DIR
        "/tests/collector/metrics_judge.py < page;"
        " done; exit 77");
  }
  // A thread of the daemon by its name, which it gives itself when it runs.
  u32 thread_of_daemon(const std::string& name) const {
    u32 tid = 0;
    EXPECT_TRUE(eventually([&] {
      for (const auto& task :
           std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
        if (read_file(task.path() / "comm") == name + "\n") {
          tid = u32(std::stoul(task.path().filename()));
        }
      }
      return tid != 0;
    }));
    return tid;
  }
};

TEST_F(Serve, ChecksWithoutStarting) {
  EXPECT_EQ(sh("$SLUICE serve --config serve.toml --check").code, 0);
  const Finished wrong =
      sh("SLUICE_SERVE_LOG_LEVEL=loud $SLUICE serve --config serve.toml --check"
         " --append-connections 0 --http 0.0.0.0:1");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(lines_of(wrong.error).size(), 4U) << wrong.error;
  for (const char* const what : {"SLUICE_SERVE_LOG_LEVEL: ", "--append-connections: ",
                                 "http.token_file", "http.allow_plaintext"}) {
    EXPECT_NE(wrong.error.find(what), std::string::npos) << what << " in " << wrong.error;
  }
  EXPECT_EQ(wrong.out, "");
  EXPECT_FALSE(std::filesystem::exists(path("all.db")));
  EXPECT_FALSE(std::filesystem::exists(path("run")));
}

TEST_F(Serve, PrintsWhatIsInForce) {
  const Finished printed =
      sh("SLUICE_SERVE_STOP_DEADLINE=3s SLUICE_SERVE_LOG_LEVEL=error $SLUICE"
         " serve --config serve.toml --print-config --log-level debug"
         " --append-socket a.sock --append-socket b.sock");
  ASSERT_EQ(printed.code, 0) << printed.error;
  for (const std::string& line :
       {std::string("deadline = \"3s\""), std::string("level = \"debug\""),
        "sockets = [\"" + path("a.sock") + "\", \"" + path("b.sock") + "\"]",
        "path = \"" + path("all.db") + "\""}) {
    EXPECT_NE(printed.out.find("\n" + line + "\n"), std::string::npos) << line << printed.out;
  }
  write("again.toml", printed.out);
  EXPECT_EQ(sh("$SLUICE serve --config again.toml --print-config").out, printed.out);
}

TEST_F(Serve, TellsItsManagerAndStops) {
  for (const int signal : {SIGTERM, SIGINT}) {
    serve("--http 0");
    EXPECT_EQ(stop(signal), 0) << text("error");
    EXPECT_NE(manager_->wait_for("STOPPING=1"), "");
    EXPECT_FALSE(std::filesystem::exists(path("run/admin.sock")));
    const std::string runs = sh("$SLUICE runs --store all.db --json").out;
    EXPECT_EQ(runs.find("\"active\""), std::string::npos) << runs;
    EXPECT_NE(runs.find("\"ended\""), std::string::npos) << runs;
    const std::string said = own_records();
    EXPECT_NE(said.find("started: "), std::string::npos);
    EXPECT_NE(said.find(signal == SIGTERM ? "SIGTERM: stops" : "SIGINT: stops"), std::string::npos)
        << said;
    EXPECT_EQ(lines_of(text("error")).size(), 1U) << "it says where things go, and no more";
    EXPECT_EQ(text("out"), "");
  }
}

TEST_F(Serve, PagesAreTrueAndWellFormed) {
  serve("--http 0");
  const u16 port = http_port();
  ASSERT_NE(port, 0);
  EXPECT_EQ(body_of(web_get(port, "/health")), "ok\n");
  EXPECT_TRUE(web_get(port, "/nothing").starts_with("HTTP/1.1 404"));
  for (int i = 0; i < 5; ++i) (void)web_get(port, "/health");
  WebClient rebound(port);
  rebound.say("GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(rebound.answer().starts_with("HTTP/1.1 403"));
  const std::string answer = web_get(port, "/metrics");
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            std::string::npos);
  const auto object = status_object();
  EXPECT_EQ(object["services"]["http"]["requests_total"]["answered"], 8) << object;
  EXPECT_EQ(object["services"]["http"]["requests_total"]["refused"], 1);
  const Finished judged = judge(body_of(answer));
  if (judged.code == 77) GTEST_SKIP() << "python3-prometheus-client is not installed";
  EXPECT_EQ(judged.code, 0) << judged.error;
  // The page is made before it counts itself.
  for (const char* const line :
       {"sluice_http_requests_total{outcome=\"answered\"} 7\n",
        "sluice_http_requests_total{outcome=\"refused\"} 1\n", "sluice_build_info{version="}) {
    EXPECT_NE(judged.out.find(line), std::string::npos) << line << judged.out;
  }
  // Control: it does find a page wrong.
  EXPECT_EQ(judge("# TYPE sluice_x counter\nsluice_x 1\n").code, 1);
  EXPECT_EQ(judge("# HELP sluice_x_total X.\n# TYPE sluice_x_total counter\n"
                  "sluice_x_total{a=\"b} 1\n")
                .code,
            1);
}

TEST_F(Serve, StatusSaysHowItIs) {
  const Finished none = status();
  EXPECT_EQ(none.code, 3);
  EXPECT_NE(none.error.find("no collector runs at " + path("run/admin.sock")), std::string::npos);
  serve();
  const Finished well = status();
  EXPECT_EQ(well.code, 0) << well.error;
  EXPECT_NE(well.out.find(": well\n"), std::string::npos) << well.out;
  EXPECT_EQ(status_object()["pid"], pid_);
  EXPECT_EQ(status("--timeout 0").code, 2);
  EXPECT_EQ(stop(SIGKILL), 128 + SIGKILL);
  EXPECT_EQ(status().code, 3) << "the socket is still there, and nobody listens";
}

TEST_F(Serve, ASecondOneIsRefusedAndAKilledOneReplaced) {
  serve();
  const Finished second = sh("$SLUICE serve --config serve.toml --quiet");
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.error.find("a server listens there already"), std::string::npos) << second.error;
  EXPECT_EQ(status().code, 0) << "the first one goes on";
  EXPECT_EQ(stop(SIGKILL), 128 + SIGKILL);
  serve();
  EXPECT_EQ(status().code, 0);
  EXPECT_EQ(stop(), 0);
  write("run/admin.sock", "precious");
  const Finished refused = sh("$SLUICE serve --config serve.toml --quiet");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.error.find("is no socket"), std::string::npos) << refused.error;
  EXPECT_EQ(text("run/admin.sock"), "precious");
}

TEST_F(Serve, AReloadAppliesWhatItCanAndSaysTheRest) {
  serve();
  write("before.toml", text("serve.toml"));
  write("serve.toml",
        text("before.toml") + "[http]\nallow_plaintext = true\n[log]\nlevel = \"error\"\n");
  ::kill(pid_, SIGHUP);
  const std::string begun = manager_->wait_for("RELOADING=1");
  EXPECT_NE(begun.find("\nMONOTONIC_USEC="), std::string::npos);
  const std::string done = manager_->wait_for("READY=1");
  EXPECT_NE(done.find("changed: log.level; only after a restart: http.allow_plaintext"),
            std::string::npos)
      << done;
  // Its own level is in force: that it stops is no error, and not recorded.
  EXPECT_EQ(status("--reload").out,
            "reloaded; changed: nothing; only after a restart: "
            "http.allow_plaintext\n");
  EXPECT_EQ(stop(), 0);
  const std::string said = own_records();
  EXPECT_NE(said.find("started: "), std::string::npos);
  EXPECT_EQ(said.find("SIGTERM: stops"), std::string::npos) << said;
}

TEST_F(Serve, AReloadChangesTheLimitsOfTheAppendService) {
  std::filesystem::create_directory(path("old"));
  std::filesystem::create_directory(path("new"));
  const std::string before = text("serve.toml");
  const auto limits = [&](const std::string& directory, int connections) {
    write("serve.toml", before + "[append]\nsockets = [\"" + path("append.sock") +
                            "\"]\ndirectories = [\"" + path(directory) +
                            "\"]\nconnections = " + std::to_string(connections) + "\n");
  };
  const auto append = [&](const std::string& directory) {
    return sh("echo x | $SLUICE append --socket append.sock " + path(directory) + "/file");
  };
  limits("old", 1);
  serve();
  EXPECT_EQ(append("old").code, 0);
  EXPECT_NE(append("new").code, 0);
  limits("new", 2);
  EXPECT_EQ(status("--reload").out, "reloaded; changed: append.directories, append.connections\n");
  EXPECT_NE(append("old").code, 0);
  EXPECT_EQ(append("new").code, 0);
  int first = os::connect_unix(path("append.sock"));
  ASSERT_TRUE(eventually([&] { return status_object()["services"]["append"]["clients"] == 1; }));
  EXPECT_EQ(append("new").code, 0) << "the second client";
  limits("missing", 1);
  EXPECT_EQ(status("--reload").code, 1);
  EXPECT_EQ(append("new").code, 0) << "nothing was changed";
  os::close_descriptor(first);
  EXPECT_EQ(stop(), 0) << text("error");
}

TEST_F(Serve, AWrongConfigurationKeepsTheOldOne) {
  serve();
  const std::string good = text("serve.toml");
  write("serve.toml", good + "[log]\nlevel = \"loud\"\nlvel = \"error\"\n");
  ::kill(pid_, SIGHUP);
  const std::string refused = manager_->wait_for("READY=1");
  EXPECT_NE(refused.find("STATUS=not reloaded: " + path("serve.toml") + ":"), std::string::npos)
      << refused;
  EXPECT_NE(refused.find("(and 1 more)"), std::string::npos);
  const Finished asked = status("--reload");
  EXPECT_EQ(asked.code, 1);
  EXPECT_NE(asked.error.find("nothing was changed"), std::string::npos);
  EXPECT_NE(asked.error.find("did you mean log.level?"), std::string::npos) << asked.error;
  EXPECT_EQ(status().code, 0);
  write("serve.toml", good);
  EXPECT_EQ(status("--reload").code, 0);
  EXPECT_EQ(stop(), 0);
  EXPECT_NE(own_records().find("not reloaded: "), std::string::npos);
}

TEST_F(Serve, ATokenIsAskedForAndReadAgain) {
  write("token", "0123456789abcdef\n");
  ASSERT_EQ(sh("chmod 644 token; $SLUICE serve --config serve.toml --http 0"
               " --http-token-file token --quiet")
                .code,
            2)
      << "others may read it";
  ASSERT_EQ(sh("chmod 600 token").code, 0);
  serve("--http 0 --http-token-file token");
  const u16 port = http_port();
  EXPECT_TRUE(web_get(port, "/health").starts_with("HTTP/1.1 401"));
  const std::string first = "Authorization: Bearer 0123456789abcdef\r\n";
  EXPECT_TRUE(web_get(port, "/health", first).starts_with("HTTP/1.1 200"));
  write("token", "fedcba9876543210\n");
  EXPECT_EQ(status("--reload").code, 0);
  EXPECT_TRUE(web_get(port, "/health", first).starts_with("HTTP/1.1 401"));
  EXPECT_EQ(stop(), 0);
}

TEST_F(Serve, TakesSocketsThatItsManagerHasOpened) {
  ASSERT_TRUE(std::filesystem::create_directory(path("run")));
  const int admin = os::listen_unix(path("run/admin.sock"), 8);
  const int http = os::listen_tcp({.address = "127.0.0.1"}, 8);
  ASSERT_GE(admin, 0);
  ASSERT_GE(http, 0);
  const u16 port = os::listener_info(http).port;
  // They are asked before anybody serves them, and answered when he does.
  WebClient early(port);
  early.say("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  // Without the mark that closes them in a child, and out of the way of 3 and 4.
  const int admin_copy = ::fcntl(admin, F_DUPFD, 20), http_copy = ::fcntl(http, F_DUPFD, 20);
  serve("", "exec 3<&" + std::to_string(admin_copy) + " 4<&" + std::to_string(http_copy) +
                "; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=admin:http");
  ::close(admin_copy);
  ::close(http_copy);
  EXPECT_TRUE(early.answer().starts_with("HTTP/1.1 200"));
  EXPECT_EQ(status().code, 0);
  EXPECT_EQ(stop(), 0);
  EXPECT_TRUE(std::filesystem::exists(path("run/admin.sock"))) << "it is the manager's";
  ::close(admin);
  ::close(http);
}

TEST_F(Serve, TheWatchdogIsToldOnlyWhileTheServicesGetOn) {
  serve("--http 0", "WATCHDOG_USEC=200000");
  const u16 port = http_port();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(manager_->wait_for("WATCHDOG=1"), "WATCHDOG=1\n");
  const u32 tid = thread_of_daemon("sluice-http");
  ASSERT_NE(tid, 0U);
  if (os::freeze_thread(tid) != 0) GTEST_SKIP() << "this process may not be traced (ptrace)";
  // Whatever was on its way has come; from then on, for 20 intervals, nothing.
  EXPECT_TRUE(eventually([&] { return status_object()["healthy"] == false; }));
  while (!manager_->next().empty()) {
  }
  EXPECT_EQ(manager_->next(2000), "");
  const Finished ill = status();
  EXPECT_EQ(ill.code, 1);
  EXPECT_NE(ill.out.find("not well: stuck: http"), std::string::npos) << ill.out;
  os::thaw_thread(tid);
  EXPECT_EQ(manager_->wait_for("WATCHDOG=1"), "WATCHDOG=1\n");
  EXPECT_TRUE(eventually([&] { return body_of(web_get(port, "/health")) == "ok\n"; }));
  EXPECT_EQ(stop(), 0);
  const std::string said = own_records();
  EXPECT_NE(said.find("http hangs"), std::string::npos) << said;
  EXPECT_NE(said.find("http gets on again"), std::string::npos);
}

TEST_F(Serve, AServiceThatHangsDoesNotKeepItFromStopping) {
  serve("--http 0 --stop-deadline 300ms");
  const u32 tid = thread_of_daemon("sluice-http");
  ASSERT_NE(tid, 0U);
  if (os::freeze_thread(tid) != 0) GTEST_SKIP() << "this process may not be traced (ptrace)";
  ::kill(pid_, SIGTERM);
  EXPECT_TRUE(eventually(
      [&] { return text("error").find("left undone at the deadline") != std::string::npos; }));
  // Who traces a thread must take note of its death before the process can be waited for.
  ::waitpid(pid_t(tid), nullptr, __WALL);
  EXPECT_EQ(wait_for(pid_), 0);
  pid_ = -1;
  (void)sh("$SLUICE recover");  // what the log, too, could not write in time
  EXPECT_NE(own_records().find("http: 1 left undone"), std::string::npos) << own_records();
}

TEST_F(Serve, APortThatIsTakenIsSaid) {
  const int other = os::listen_tcp({.address = "127.0.0.1"}, 1);
  const Finished refused = sh("$SLUICE serve --config serve.toml --quiet --http " +
                              std::to_string(os::listener_info(other).port));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.error.find("EADDRINUSE"), std::string::npos) << refused.error;
  EXPECT_FALSE(std::filesystem::exists(path("run/admin.sock"))) << "nothing is left of it";
  ::close(other);
}

TEST_F(Serve, VariablesOfProgramsAreNotForIt) {
  serve("", "SLUICE_TEXT=stray.log SLUICE_STORE=other.db SLUICE_CONSOLE=1 SLUICE_LEVEL=off");
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(path("stray.log")));
  EXPECT_FALSE(std::filesystem::exists(path("other.db")));
  EXPECT_NE(own_records().find("started: "), std::string::npos);
}

}  // namespace
}  // namespace sluice::test
