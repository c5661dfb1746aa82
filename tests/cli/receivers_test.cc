// Debian's own readers of what we write: rsyslogd, systemd-journald and lnav. Skipped where they
// are not, journald also without the right to mount (it has its sockets at one place).
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Receivers : public Cli {
 protected:
  bool has(const std::string& program) { return sh("command -v " + program).code == 0; }
};

constexpr const char* kRsyslog = R"(
global(workDirectory="$W" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
module(load="imtcp")
template(name="json" type="list") {
  constant(value="{\"pri\":\"") property(name="pri")
  constant(value="\",\"app\":\"") property(name="app-name" format="json")
  constant(value="\",\"id\":\"") property(name="msgid" format="json")
  constant(value="\",\"data\":\"") property(name="structured-data" format="json")
  constant(value="\",\"time\":\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\",\"msg\":\"") property(name="msg" format="json")
  constant(value="\"}\n")
}
ruleset(name="all") { action(type="omfile" file="$W/out" template="json") }
input(type="imuxsock" Socket="$W/log" UseSpecialParser="off" ruleset="all")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="$W/port" ruleset="all")
)";

TEST_F(Receivers, RsyslogReadsOurMessages) {
  if (!has("rsyslogd")) GTEST_SKIP() << "no rsyslogd";
  std::string config = kRsyslog;
  for (std::size_t at = 0; (at = config.find("$W", at)) != std::string::npos;) {
    config.replace(at, 2, regions_);
  }
  write("rsyslog.conf", config);
  const pid_t daemon = start("exec rsyslogd -n -f rsyslog.conf -i " + regions_ + "/pid",
                             path("daemon.out"), path("daemon.error"));
  ASSERT_TRUE(eventually([this] {
    return std::filesystem::exists(regions_ + "/log") && !read_file(regions_ + "/port").empty();
  })) << text("daemon.error");
  const std::string said = "printf 'a]b \"c\" \\\\d\\n'";
  for (const std::string& to :
       {regions_ + "/log", "tcp:127.0.0.1:" + read_file(regions_ + "/port")}) {
    const bool by_option = to.starts_with("tcp:");
    const Finished run =
        sh(by_option ? "SLUICE_SYSLOG_FACILITY=local0 $SLUICE run --product shop --syslog " + to +
                           " -- " + said
                     : "SLUICE_SYSLOG=" + to + " SLUICE_PRODUCT=shop $SLUICE run -- " + said);
    EXPECT_EQ(run.code, 0) << run.error;
    const auto got_all = [this] {
      return read_file(regions_ + "/out").find("run.end") != std::string::npos;
    };
    ASSERT_TRUE(eventually(got_all)) << to << run.error << text("daemon.error");
    bool line = false, end = false;
    for (const std::string& one : lines_of(read_file(regions_ + "/out"))) {
      const json read = json::parse(one, nullptr, false);
      ASSERT_TRUE(read.is_object()) << one;
      EXPECT_EQ(read["app"], "shop") << one;
      EXPECT_TRUE(read["data"].get<std::string>().starts_with("[sluice@32473 level=\"")) << one;
      line |= read["msg"] == "a]b \"c\" \\d" && read["pri"] == (by_option ? "134" : "14");
      end |= read["id"] == "run.end" && read["data"].get<std::string>().find(
                                            "[fields@32473 exit_code=\"0\"") != std::string::npos;
    }
    EXPECT_TRUE(line && end) << read_file(regions_ + "/out");
    std::filesystem::resize_file(regions_ + "/out", 0);
  }
  ::kill(daemon, SIGTERM);
  (void)wait_for(daemon);
}

// Everything in a mount namespace of its own: the sockets, the journal and those who use them.
TEST_F(Receivers, JournaldKeepsOurFields) {
  constexpr const char* kDaemon = "/lib/systemd/systemd-journald";
  if (!std::filesystem::exists(kDaemon) || !has("journalctl")) GTEST_SKIP() << "no journald";
  if (sh("unshare -m mount -t tmpfs none /run/systemd").code != 0) GTEST_SKIP() << "may not mount";
  write("inside.sh", R"(
mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/log 2>/dev/null
mkdir -p /run/log; mount -t tmpfs none /var/log
/lib/systemd/systemd-journald sluice & daemon=$!
socket=/run/systemd/journal.sluice/socket
for i in $(seq 2000); do [ -S $socket ] && break; sleep 0.005; done
SLUICE_JOURNALD=$socket SLUICE_PRODUCT=shop $SLUICE run -- sh -c \
  'echo short; head -c 300000 /dev/zero | tr "\0" x; echo'
for i in $(seq 2000); do
  journalctl --namespace=sluice -a -o json SYSLOG_IDENTIFIER=shop > entries 2>/dev/null
  grep -q run.end entries && break; sleep 0.005
done
kill $daemon; wait $daemon
)");
  const Finished run = sh("unshare -m bash inside.sh");
  bool line = false, end = false;
  std::size_t longest = 0;
  for (const std::string& one : lines_of(text("entries"))) {
    const json read = json::parse(one, nullptr, false);
    ASSERT_TRUE(read.is_object()) << one.substr(0, 200);
    if (!read["MESSAGE"].is_string()) continue;
    const std::string message = read["MESSAGE"];
    longest = std::max(longest, message.size());
    line |= message == "short" && read["PRIORITY"] == "6" && read.contains("SLUICE_SEQ");
    end |= message.starts_with("run.end") && read["EXIT_CODE"] == "0" &&
           read["SLUICE_KIND"] == "event";
  }
  EXPECT_TRUE(line && end) << run.error << text("entries").substr(0, 2000);
  EXPECT_GT(longest, 10'000u);
}

constexpr const char* kRecords =
    R"({"ts":"2025-11-22T10:00:00.123000001Z","level":"warning","logger":"net.http",)"
    R"("msg":"order 17","fields":{"id":17},"source":"a.cc:42","thread":"main","tid":7,"seq":1})"
    "\n"
    R"({"ts":"2025-11-22T10:00:01.000000000Z","level":"critical","logger":"","msg":"fps",)"
    R"("kind":"metric","name":"fps","value":59.5,"unit":"Hz","metric":"gauge","tid":8,"seq":4})"
    "\n";

TEST_F(Receivers, LnavReadsOurTextAndJson) {
  if (!has("lnav")) GTEST_SKIP() << "no lnav";
  write("a.jsonl", kRecords);
  ASSERT_EQ(sh("$SLUICE cat --format text a.jsonl > a.log").code, 0);
  ASSERT_EQ(sh("mkdir -p home conf/formats/sluice && cp " SLUICE_SOURCE_DIR
               "/packaging/sluice.lnav.json conf/formats/sluice/")
                .code,
            0);
  const auto ask = [this](const std::string& columns, const std::string& table,
                          const std::string& file) {
    const Finished run = sh("HOME=$PWD/home lnav -n -N -I conf -c ';SELECT " + columns + " FROM " +
                            table + "' -c ':write-csv-to -' " + file);
    EXPECT_EQ(run.error, "");
    return run.out;
  };
  EXPECT_EQ(ask("log_time, log_level, tid, src_file, src_line, log_body", "sluice_text", "a.log"),
            "log_time,log_level,tid,src_file,src_line,log_body\n"
            "2025-11-22 10:00:00.123,warning,7,a.cc,42,net.http order 17 id=17\n"
            "2025-11-22 10:00:01.000,critical,8,<NULL>,<NULL>,fps=59.5 Hz\n");
  EXPECT_EQ(
      ask("log_time, log_level, logger, log_body, fields, value, source, tid, seq", "sluice_json",
          "a.jsonl"),
      "log_time,log_level,logger,log_body,fields,value,source,tid,seq\n"
      "2025-11-22 10:00:00.123,warning,net.http,order 17,\"{\"\"id\"\":17}\",<NULL>,a.cc:42,7,1\n"
      "2025-11-22 10:00:01.000,critical,,fps,<NULL>,59.5,<NULL>,8,4\n");
  const Finished checked = sh("HOME=$PWD/home lnav -W -n -N -I conf a.log");
  EXPECT_EQ(checked.error, "") << "a warning about the format file";
}

}  // namespace
}  // namespace sluice::test
