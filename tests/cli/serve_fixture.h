// Runs `sluice serve` in directories of its own, under a service manager that only listens.
#ifndef SLUICE_TESTS_CLI_SERVE_FIXTURE_H_
#define SLUICE_TESTS_CLI_SERVE_FIXTURE_H_

#include <memory>
#include <optional>

#include "cli/cli_fixture.h"
#include "collector/support/web_client.h"
#include "os/process.h"
#include "support/fake_manager.h"

namespace sluice::test {

class ServeCli : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    for (const std::string& name : os::environment_names("SLUICE_SERVE_")) {
      ::unsetenv(name.c_str());
    }
    write("serve.toml", "[store]\npath = \"" + path("all.db") + "\"\n[admin]\nsocket = \"" +
                            path("run/admin.sock") + "\"\n[ingest]\nsocket = \"" +
                            path("run/ingest.sock") + "\"\n" + more_);
    manager_.emplace(path("notify"));
  }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait_for(pid_);
    }
    manager_.reset();
    Cli::TearDown();
  }

  // Starts it and waits until it says that it is ready. `prefix`: variables, or what it runs under.
  void serve(const std::string& options = {}, const std::string& prefix = {}) {
    pid_ = start(prefix + " exec $SLUICE serve --config serve.toml " + options, path("out"),
                 path("error"));
    ready_ = manager_->wait_for("READY=1");
    ASSERT_NE(ready_, "") << text("error");
  }
  int stop(int signal = SIGTERM) {
    ::kill(pid_, signal);
    const int code = wait_for(pid_);
    pid_ = -1;
    return code;
  }
  [[nodiscard]] u16 http_port() const {
    const std::string mark = "http on port ";
    const std::size_t at = ready_.find(mark);
    return at == std::string::npos ? u16{0} : u16(std::stoul(ready_.substr(at + mark.size())));
  }
  Finished status(const std::string& options = {}) {
    return sh("$SLUICE status --socket run/admin.sock " + options);
  }
  nlohmann::json status_object() {
    return nlohmann::json::parse(status("--json").out, nullptr, false);
  }
  // What the daemon has said of itself, a line each.
  std::string own_records() {
    return sh("$SLUICE logs --store all.db --logger collector --limit 1000").out;
  }

  std::string more_;  // of the configuration
  std::optional<FakeManager> manager_;
  std::string ready_;  // what it has told the manager
  pid_t pid_ = -1;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CLI_SERVE_FIXTURE_H_
