// sanitizers: address (one thread that runs commands)
//
// sluice top --collector before somebody who is no collector, or a strange one.
#include "cli/cli_fixture.h"
#include "os/child.h"
#include "os/unix_socket.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class TopHostile : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    listener_ = os::listen_unix(path("admin.sock"), 16);
    ASSERT_GE(listener_, 0);
  }
  void TearDown() override {
    os::close_descriptor(listener_);
    Cli::TearDown();
  }

  // The next one who asks gets this.
  void answer(const std::string& text) {
    ASSERT_TRUE(os::wait_readable(listener_, -1, 60'000'000'000).first) << this->text("e");
    int fd = os::accept_unix(listener_);
    ASSERT_GE(fd, 0);
    std::string line;
    char byte = 0;
    while (line.find('\n') == std::string::npos &&
           os::wait_readable(fd, -1, 60'000'000'000).first && os::receive_some(fd, &byte, 1) == 1) {
      line += byte;
    }
    EXPECT_EQ(line, "sluice-admin/1 top\n");
    for (std::size_t sent = 0; sent < text.size();) {
      const i64 more = os::send_some(fd, text.data() + sent, text.size() - sent);
      if (more == -EAGAIN) continue;
      if (more < 0) break;  // it has heard enough
      sent += std::size_t(more);
    }
    os::close_descriptor(fd);
  }
  // How `top` ends that asks and gets these answers.
  Finished top(const std::vector<std::string>& answers, const std::string& options) {
    const pid_t pid =
        start("exec $SLUICE top --collector --socket admin.sock --interval 0.05 " + options,
              path("o"), path("e"));
    for (const std::string& each : answers) answer(each);
    Finished finished;
    finished.code = wait_for(pid);
    finished.out = text("o");
    finished.error = text("e");
    return finished;
  }
  static std::string answer_of(const std::vector<json>& processes, u64 collector = 7) {
    return json{{"ok", true}, {"pid", collector}, {"processes", processes}}.dump() + "\n";
  }
  static json process(const std::string& product, u64 since, u64 records) {
    return {{"product", product},
            {"pid", 4711},
            {"run_id", product},
            {"since", since},
            {"over", false},
            {"records", records},
            {"bytes", 10 * records},
            {"sites", json::array({{{"id", 16},
                                    {"file", "a.cc"},
                                    {"line", 3},
                                    {"logger", "l"},
                                    {"level", "info"},
                                    {"format", "f"},
                                    {"records", records},
                                    {"bytes", 10 * records},
                                    {"dropped", 0}}})}};
  }
  // Records of each process in each line.
  static std::vector<std::pair<std::string, u64>> counts(const std::string& out) {
    std::vector<std::pair<std::string, u64>> found;
    for (const std::string& line : lines_of(out)) {
      const json look = json::parse(line, nullptr, false);
      EXPECT_TRUE(look.is_object()) << line;
      if (!look.is_object()) continue;
      found.emplace_back(look["product"], look["records"]);
      u64 of_sites = 0;
      for (const json& site : look["sites"]) of_sites += site["records"].get<u64>();
      EXPECT_EQ(of_sites, look["records"]) << line;
    }
    return found;
  }
  using Counts = std::vector<std::pair<std::string, u64>>;

  int listener_ = -1;
};

// Who asks one that never answers can leave, at the first look and at a later one.
TEST_F(TopHostile, ASignalEndsTheWaitForAnAnswer) {
  for (const bool first : {true, false}) {
    const pid_t pid = start(
        "exec $SLUICE top --collector --socket admin.sock --interval 0.05 --timeout 3600 --json",
        path("o"), path("e"));
    if (!first) answer(answer_of({process("a", 1, 100)}));
    ASSERT_TRUE(os::wait_readable(listener_, -1, 60'000'000'000).first);
    int fd = os::accept_unix(listener_);
    ::kill(pid, SIGINT);
    EXPECT_EQ(wait_for(pid), 0);
    EXPECT_EQ(text("o") + text("e"), "");
    os::close_descriptor(fd);
  }
}

TEST_F(TopHostile, TheDifferenceOfTwoAnswers) {
  const Finished one = top({answer_of({process("a", 1, 100), process("b", 1, 50)}),
                            answer_of({process("a", 1, 130), process("b", 1, 50)})},
                           "--once --json");
  EXPECT_EQ(one.code, 0) << one.error;
  EXPECT_EQ(counts(one.out), (Counts{{"a", 30}, {"b", 0}}));
  const json site = json::parse(lines_of(one.out)[0])["sites"][0];
  EXPECT_EQ(site["file"], "a.cc");
  EXPECT_EQ(site["line"], 3);
  EXPECT_EQ(site["logger"], "l");
  EXPECT_EQ(site["level"], "info");
  EXPECT_EQ(site["format"], "f");
  EXPECT_EQ(site["bytes"], 300);
}

// What comes between two looks is new with all that it has; sums that begin anew are, too.
TEST_F(TopHostile, ThoseThatComeAndGoAndBeginAnew) {
  json over = process("b", 2, 9);
  over["over"] = true;
  const Finished come = top(
      {answer_of({process("a", 1, 100)}), answer_of({process("a", 5, 20), process("b", 2, 7)}, 8)},
      "--once --json");
  EXPECT_EQ(counts(come.out), (Counts{{"a", 20}, {"b", 7}}));
  const Finished gone =
      top({answer_of({process("b", 2, 7)}), answer_of({process("b", 2, 8)}), answer_of({over})},
          "b --json");
  EXPECT_EQ(gone.code, 0) << "it has ended: " << gone.error;
  EXPECT_EQ(counts(gone.out), (Counts{{"b", 1}, {"b", 1}}));
  const Finished without = top({answer_of({process("b", 2, 7)}), answer_of({})}, "b --json");
  EXPECT_EQ(without.code, 0) << without.error;
  EXPECT_EQ(without.out, "");
}

// A site that was left out may have any sums.
TEST_F(TopHostile, WhatWasLeftOut) {
  json less = process("a", 1, 100), more = process("a", 1, 130), again = process("a", 1, 150);
  less["sites"] = json::array();
  less["sites_left_out"] = 1;
  const Finished finished = top(
      {answer_of({less}), answer_of({more}), answer_of({less}), answer_of({again}), answer_of({})},
      "a --json");
  const std::vector<std::string> lines = lines_of(finished.out);
  ASSERT_EQ(lines.size(), 3u) << finished.out;
  const auto records = [&](std::size_t line) {
    const json sites = json::parse(lines[line])["sites"];
    return sites.empty() ? 0 : sites[0]["records"].get<u64>();
  };
  EXPECT_EQ(records(0), 0u) << "not all of its 130";
  EXPECT_EQ(records(2), 20u) << "known from before: " << lines[2];
  EXPECT_EQ(json::parse(lines[1])["sites_left_out"], 1);
}

TEST_F(TopHostile, Junk) {
  const std::string good = answer_of({process("a", 1, 100)});
  for (const std::string& junk :
       {std::string("\n"), std::string("x\n"), std::string("null\n"), std::string("[]\n"),
        std::string("{}\n"), std::string("{\"ok\":1}\n"), std::string("{\"ok\":true}\n"),
        std::string("{\"ok\":true,\"processes\":\"x\"}\n"), good.substr(0, good.size() / 2),
        std::string(500'000, '['), std::string(2'000'000, 'x'), std::string(1000, '\xff')}) {
    const Finished finished = top({junk}, "--once");
    EXPECT_EQ(finished.code, 1) << junk.substr(0, 100);
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(lines_of(finished.error).size(), 1u) << finished.error;
    EXPECT_EQ(top({good, junk}, "--once").code, 1) << "in the middle: " << junk.substr(0, 100);
  }
  EXPECT_EQ(top({good, good}, "--once").code, 0) << "control";
}

TEST_F(TopHostile, JunkWithinAnAnswer) {
  const json junk = json::parse(R"([
    1, null, "x", [], {},
    {"product": 7, "pid": "x", "run_id": [], "since": -1, "over": "yes", "records": -5,
     "bytes": 1e300, "sites": {"id": 1}, "metrics": 5},
    {"product": "\u001b[2J\n\u0000x", "pid": 99999999999999, "run_id": "r",
     "since": 18446744073709551615, "records": 18446744073709551615,
     "missed": 18446744073709551615, "bytes": 18446744073709551615,
     "sites": [1, {"id": 18446744073709551615, "level": "loud", "file": {},
                   "records": 18446744073709551615},
               {"id": 16, "level": "info", "file": "\u001b]0;x\u0007", "line": -1, "records": 5},
               {"id": 16, "level": "info"}],
     "metrics": [7, {"kind": "x"}, {"kind": "counter", "value": "x", "change": null},
                 {"kind": "histogram", "name": "\u001b[31m", "value": 1e308, "change": -1e308,
                  "labels": [1, [2], ["\u001b", "v"]],
                  "buckets": [[1, 18446744073709551615, 1e308], [1, 2], 3, [0, "x", null],
                              [4294967295, 1, 1], [2, 4611686018427387904, -1e308],
                              [3, 4611686018427387904, 1]]}]}])");
  const std::string good = answer_of({process("a", 1, 100)}), bad = answer_of(junk);
  for (const std::string& first : {good, bad}) {
    for (const std::string options : {"--json --once", "--once"}) {
      const Finished finished = top({first, bad}, options);
      EXPECT_EQ(finished.code, 0) << finished.error;
      EXPECT_NE(finished.out, "");
      EXPECT_EQ(finished.out.find('\x1b'), std::string::npos) << finished.out;
      EXPECT_EQ(finished.out.find('\0'), std::string::npos);
      if (options == "--once") continue;
      for (const std::string& line : lines_of(finished.out)) {
        EXPECT_TRUE(json::parse(line, nullptr, false).is_object()) << line;
      }
    }
  }
}

TEST_F(TopHostile, AnOlderCollectorIsSaidAsThat) {
  const Finished old =
      top({"{\"ok\":false,\"error\":\"there are status and reload\\u001b[2J\"}\n"}, "");
  EXPECT_EQ(old.code, 1);
  EXPECT_NE(old.error.find("older version"), std::string::npos) << old.error;
  EXPECT_NE(old.error.find("there are status and reload"), std::string::npos) << old.error;
  EXPECT_EQ(old.error.find('\x1b'), std::string::npos);
}

TEST_F(TopHostile, OneThatSaysNothing) {
  const Finished silent = sh("$SLUICE top --collector --socket admin.sock --timeout 0.2 --once");
  EXPECT_EQ(silent.code, 1) << "nobody has answered";
  EXPECT_NE(silent.error.find("ETIMEDOUT"), std::string::npos) << silent.error;
}

}  // namespace
}  // namespace sluice::test
