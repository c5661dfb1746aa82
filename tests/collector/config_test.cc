// sanitizers: address
// One thread, and the environment is the test's.
#include "collector/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "collector/token_file.h"
#include "os/process.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::collector {
namespace {

using Mistakes = std::vector<std::string>;

class Config : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& name : os::environment_names("SLUICE_")) ::unsetenv(name.c_str());
    for (const char* const name : {"RUNTIME_DIRECTORY", "STATE_DIRECTORY"}) ::unsetenv(name);
    std::ofstream(token_) << "0123456789abcdef\n";
    ASSERT_EQ(::chmod(token_.c_str(), 0600), 0);
  }

  std::string file(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  ServeConfig read(const std::string& text) {
    ServeConfig config;
    mistakes_ = read_config({.file = file(text), .options = {}}, config);
    return config;
  }
  // The one mistake, without the file's name.
  std::string mistake_in(const std::string& text) {
    (void)read(text);
    if (mistakes_.size() != 1) return std::to_string(mistakes_.size()) + " mistakes";
    const std::string& only = mistakes_[0];
    return only.starts_with(path_ + ":") ? only.substr(path_.size() + 1) : only;
  }

  const test::OwnDirectory folder_;
  const std::string path_ = folder_.path() + "/serve.toml";
  const std::string token_ = folder_.path() + "/token";
  Mistakes mistakes_;
};

constexpr const char* kEverything = R"([store]
path = "/var/lib/sluice/all.db"
keep_age = "30d"
keep_rows = 1000000
keep_bytes = "10GiB"
keep_whole_runs = true
full_text = true

[ingest]
socket = "/run/sluice/in.sock"
region_directories = ["/dev/shm/a", "/dev/shm/b"]

[append]
sockets = ["/run/sluice/append.sock", "/run/sluice/\"odd\" \\ name"]
directories = ["/var/log", "/srv/log"]
connections = 100
connections_per_user = 7
bytes_per_second_per_user = "10MiB"
memory_bytes = "64MiB"
rotation_check = "250ms"

[admin]
socket = "/run/sluice/ad.sock"

[http]
listen = "127.0.0.1:9464"
token_file = "TOKEN"
allow_plaintext = true

[log]
level = "debug"

[stop]
deadline = "1m"
)";

TEST_F(Config, PrintedConfigurationReadsBackToTheSame) {
  std::string everything = kEverything;
  everything.replace(everything.find("TOKEN"), 5, token_);
  const ServeConfig config = read(everything);
  EXPECT_EQ(mistakes_, Mistakes());
  EXPECT_EQ(to_toml(config), everything);
  EXPECT_EQ(read(to_toml(config)), config);
  EXPECT_EQ(config.store_keep_seconds, 30U * 86'400);
  EXPECT_EQ(config.store_keep_bytes, u64{10} << 30);
  EXPECT_EQ(config.append_sockets[1], "/run/sluice/\"odd\" \\ name");
  EXPECT_EQ(config.log_level, Level::debug);
  EXPECT_EQ(config.stop_deadline_ms, 60'000U);
  // The defaults too, and every setting differs from its default above: none is left out.
  const ServeConfig defaults = read("");
  EXPECT_EQ(read(to_toml(defaults)), defaults);
  EXPECT_EQ(mistakes_, Mistakes());
  const ConfigChange change = changes(defaults, config);
  EXPECT_EQ(change.live.size() + change.restart.size(), settings().size());
}

TEST_F(Config, EveryMistakeIsSaidAtOnceWithItsLine) {
  ::setenv("SLUICE_SERVE_LOG_LEVEL", "loud", 1);
  ::setenv("SLUICE_SERVE_APPEND_CONNECTION", "3", 1);
  ServeConfig config;
  const Setting* const deadline = find_setting("stop.deadline");
  const Mistakes mistakes = read_config({.file = file(R"([store]
pth = "/var/lib/x.db"
keep_rows = "many"
keep_age = 30

[append]
connections = 1000001
[http]
listen = "0.0.0.0:9464"
[surprise]
a = 1
[ingest]
region_directories = ["relative"]
)"),
                                         .options = {{deadline, {"soon"}}}},
                                        config);
  const auto said = [&](const std::string& where, const std::string& what) {
    int count = 0;
    for (const std::string& mistake : mistakes) {
      if (!mistake.starts_with(where)) continue;
      ++count;
      EXPECT_NE(mistake.find(what), std::string::npos) << mistake;
    }
    EXPECT_EQ(count, 1) << where;
  };
  said(path_ + ":2: store.pth", "did you mean store.path?");
  said(path_ + ":3: store.keep_rows", "a text is not what it takes; write a whole number");
  said(path_ + ":4: store.keep_age", "a whole number is not what it takes; write an age");
  said(path_ + ":7: append.connections",
       "1000001 is out of range; write a whole number, 1 to 1000000");
  said(path_ + ":10: surprise", "no such setting");
  said(path_ + ":13: ingest.region_directories", "no absolute path");
  said("SLUICE_SERVE_LOG_LEVEL", "'loud' is not that; write trace, debug");
  said("SLUICE_SERVE_APPEND_CONNECTION", "did you mean SLUICE_SERVE_APPEND_CONNECTIONS?");
  said("--stop-deadline", "'soon' is not that; write a time such as 250ms");
  said("http.listen: other machines", "set http.token_file");
  said("http.listen: the token", "http.allow_plaintext");
  EXPECT_EQ(mistakes.size(), 11U) << ::testing::PrintToString(mistakes);
}

TEST_F(Config, WhatIsNoTomlIsSaidWithItsLine) {
  EXPECT_TRUE(mistake_in("[store]\npath = \n").starts_with("2: no TOML: "));
  EXPECT_TRUE(mistake_in("[log]\nlevel = \"info\"\nlevel = \"debug\"\n").starts_with("3: no TOML"));
  EXPECT_TRUE(mistake_in("[:x]\n").starts_with("1: no TOML"));
  EXPECT_TRUE(mistake_in("\xcf\x96 = 1\n").starts_with("1: no TOML"));
  EXPECT_TRUE(mistake_in("[store]\npath = \xe2\x80\x9c/x\xe2\x80\x9d\n").starts_with("2: no TOML"));
  EXPECT_NE(mistake_in("store = 3").find("1: store: a section is wanted, not a whole number"),
            std::string::npos);
}

TEST_F(Config, ValuesThatCannotBeAreRefused) {
  EXPECT_NE(mistake_in("[append]\nconnections = -1").find("below zero"), std::string::npos);
  EXPECT_NE(mistake_in("[append]\nconnections = 1.5").find("with a fraction"), std::string::npos);
  EXPECT_NE(mistake_in("[store]\nfull_text = \"yes\"").find("write true or false"),
            std::string::npos);
  EXPECT_NE(mistake_in("[store]\npath = \"/a\\u0000b\"").find("control characters"),
            std::string::npos);
  EXPECT_NE(mistake_in("[append]\nsockets = [1]").find("stands in the list"), std::string::npos);
  EXPECT_NE(mistake_in("[append]\nsockets = [\"/a\", \"/a\"]").find("twice"), std::string::npos);
  EXPECT_NE(mistake_in("[append]\nsockets = [\"/a\"]\n[admin]\nsocket = \"/a\"")
                .find("'/a' is admin.socket too"),
            std::string::npos);
  EXPECT_NE(mistake_in("[admin]\nsocket = \"/" + std::string(120, 'x') + "\"").find("at most 107"),
            std::string::npos);
  for (const char* const endpoint :
       {"9464x", "65536", "example.org:80", "127.0.0.1", ":80", "[::1:80", "::1:80", "1.2.3:4"}) {
    EXPECT_NE(mistake_in("[http]\nlisten = \"" + std::string(endpoint) + "\"").find("ADDRESS:PORT"),
              std::string::npos)
        << endpoint;
  }
  (void)read("");
  EXPECT_EQ(mistakes_, Mistakes()) << "control: nothing is a configuration";
}

TEST_F(Config, EndpointsAreWrittenOut) {
  EXPECT_EQ(read("[http]\nlisten = 9464").http_listen, "127.0.0.1:9464");
  EXPECT_EQ(read("[http]\nlisten = \"localhost:0\"").http_listen, "127.0.0.1:0");
  EXPECT_EQ(read("[http]\nlisten = \"[::1]:80\"").http_listen, "[::1]:80");
  EXPECT_EQ(read("[http]\nlisten = \"off\"").http_listen, "off");
  EXPECT_EQ(mistakes_, Mistakes());
  EXPECT_EQ(read("[http]\nlisten = \"0.0.0.0:80\"\nallow_plaintext = true\ntoken_file = \"" +
                 token_ + "\"")
                .http_listen,
            "0.0.0.0:80");
  EXPECT_EQ(mistakes_, Mistakes()) << "with a token and the word for it others may connect";
}

TEST_F(Config, OptionsOverrideVariablesAndVariablesTheFile) {
  const std::string text =
      "[append]\nconnections = 2\nsockets = [\"/file\"]\n"
      "[log]\nlevel = \"error\"\n[stop]\ndeadline = \"2s\"\n";
  ::setenv("SLUICE_SERVE_APPEND_CONNECTIONS", "3", 1);
  ::setenv("SLUICE_SERVE_STOP_DEADLINE", "3s", 1);
  ::setenv("SLUICE_SERVE_APPEND_SOCKETS", "/one:/two", 1);
  ServeConfig config;
  EXPECT_EQ(
      read_config({.file = file(text), .options = {{find_setting("append.connections"), {"4"}}}},
                  config),
      Mistakes());
  EXPECT_EQ(config.append_connections, 4U);
  EXPECT_EQ(config.stop_deadline_ms, 3000U);
  EXPECT_EQ(config.log_level, Level::error);
  EXPECT_EQ(config.append_sockets, (std::vector<std::string>{"/one", "/two"}));
  ServeConfig other;
  EXPECT_EQ(
      read_config({.file = path_, .options = {{find_setting("append.sockets"), {"/a", "/b:c"}}}},
                  other),
      Mistakes());
  EXPECT_EQ(other.append_sockets, (std::vector<std::string>{"/a", "/b:c"}));
  ::setenv("SLUICE_SERVE_CONFIG", path_.c_str(), 1);
  ServeConfig named;
  EXPECT_EQ(read_config({}, named), Mistakes());
  EXPECT_EQ(named.log_level, Level::error);
}

TEST_F(Config, AFileThatCannotBeReadIsAMistake) {
  ServeConfig config;
  const Mistakes none = read_config({.file = folder_.path() + "/none", .options = {}}, config);
  ASSERT_EQ(none.size(), 1U);
  EXPECT_NE(none[0].find("cannot be opened: ENOENT"), std::string::npos);
  const Mistakes huge =
      read_config({.file = file(std::string(kConfigBytesMax + 1, '#')), .options = {}}, config);
  ASSERT_EQ(huge.size(), 1U);
  EXPECT_NE(huge[0].find("longer than"), std::string::npos);
  EXPECT_EQ(read_config({.file = file(std::string(kConfigBytesMax, '#')), .options = {}}, config),
            Mistakes());
}

TEST_F(Config, ATokenThatOthersMayReadOrThatIsNoneIsAMistake) {
  const std::string text = "[http]\ntoken_file = \"" + token_ + "\"\n";
  (void)read(text);
  EXPECT_EQ(mistakes_, Mistakes());
  EXPECT_EQ(read_token(token_).value(), "0123456789abcdef");
  ASSERT_EQ(::chmod(token_.c_str(), 0640), 0);
  EXPECT_NE(mistake_in(text).find("chmod 600"), std::string::npos);
  ASSERT_EQ(::chmod(token_.c_str(), 0600), 0);
  for (const char* const none : {"", "short\n", "0123456789abcde\n", "0123456789abcdef g\n"}) {
    std::ofstream(token_, std::ios::trunc) << none;
    const std::string said = mistake_in(text);
    EXPECT_NE(said.find("is no token"), std::string::npos) << none;
    EXPECT_EQ(said.find("0123"), std::string::npos) << "what may be a secret is in no message";
  }
  ASSERT_EQ(::unlink(token_.c_str()), 0);
  EXPECT_NE(mistake_in(text).find("ENOENT"), std::string::npos);
}

TEST_F(Config, PlacesAreThoseOfTheServiceManagerOrTheUser) {
  ::setenv("RUNTIME_DIRECTORY", "/run/one:/run/two", 1);
  ::setenv("STATE_DIRECTORY", "/var/lib/one", 1);
  const ServeConfig config = read("");
  EXPECT_EQ(config.store_path, "/var/lib/one/sluice.db");
  EXPECT_EQ(config.ingest_socket, "/run/one/ingest.sock");
  EXPECT_EQ(config.admin_socket, "/run/one/admin.sock");
}

TEST_F(Config, AReloadKnowsWhatItCanApply) {
  ServeConfig before;
  ServeConfig after = before;
  after.log_level = Level::debug;
  after.append_connections = 5;
  after.store_keep_rows = 5;
  const ConfigChange change = changes(before, after);
  EXPECT_EQ(change.live, (std::vector<std::string_view>{"append.connections", "log.level"}));
  EXPECT_EQ(change.restart, std::vector<std::string_view>{"store.keep_rows"});
}

// docs/serve.md has a row `| name | option | default | ... |` for every setting, and no others.
TEST_F(Config, TheReferenceListsEverySetting) {
  const std::string text = test::read_file(SLUICE_SOURCE_DIR "/docs/serve.md");
  ServeConfig defaults;
  std::size_t rows = 0;
  for (std::size_t at = 0; (at = text.find("\n| `", at)) != std::string::npos; ++at) ++rows;
  for (const Setting& setting : settings()) {
    const std::string value = text_of(setting, defaults);
    const std::string row =
        "\n| `" + std::string(setting.name) + "` | `" + std::string(setting.option) + "` | " +
        (value.empty() ? "" : "`" + value + "` ") + "| " + (setting.live ? "yes" : "no") + " | " +
        values_of(setting) + " | " + std::string(setting.what) + " |\n";
    EXPECT_NE(text.find(row), std::string::npos) << "docs/serve.md wants:" << row;
  }
  EXPECT_EQ(rows, settings().size());
}

TEST_F(Config, TheExampleInTheReferenceIsRight) {
  const std::string text = test::read_file(SLUICE_SOURCE_DIR "/docs/serve.md");
  const std::size_t begin = text.find("```toml\n") + 8;
  const ServeConfig config = read(text.substr(begin, text.find("```", begin) - begin));
  EXPECT_EQ(mistakes_, Mistakes());
  EXPECT_EQ(config.http_listen, "127.0.0.1:9464");
}

TEST_F(Config, NamesAreUnlike) {
  std::set<std::string> names;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(std::string(setting.name)).second);
    EXPECT_TRUE(names.insert(std::string(setting.option)).second);
    EXPECT_TRUE(names.insert(variable_of(setting)).second);
  }
}

}  // namespace
}  // namespace sluice::collector
