// sluice demo: what it leaves is what the commands it names find.
#include "cli/cli_fixture.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

class Demo : public Cli {
 protected:
  std::string row(const std::string& sql) { return row_in(path("demo.db"), sql); }
};

TEST_F(Demo, TheCommandsItNamesShowWhatItSaid) {
  const Finished done = sh("$SLUICE demo --seconds 2 --rate 300 --quiet");
  ASSERT_EQ(done.code, 0) << done.error;
  EXPECT_EQ(row("SELECT count(*) > 100 FROM records WHERE logger = 'demo.http'"), "1");
  EXPECT_EQ(row("SELECT count(*) > 4 FROM points WHERE weight > 0"), "1");
  EXPECT_EQ(row("SELECT count(*) > 2 FROM tracks WHERE topic = 'courier'"), "1");
  EXPECT_EQ(row("SELECT value FROM params WHERE key = 'tags'"), "[\"demo\"]");
  EXPECT_EQ(row("SELECT count(*) FROM state_values"), "1");
  // Every request is counted by a counter and by a histogram, and said.
  EXPECT_EQ(row("SELECT (SELECT total(value) FROM points JOIN series ON series.id = series"
                " WHERE name = 'http.requests') = (SELECT count(*) FROM records WHERE body LIKE"
                " 'GET %'), (SELECT total(weight) FROM points JOIN series ON series.id = series"
                " WHERE name = 'http.duration') = (SELECT count(*) FROM records WHERE body LIKE"
                " 'GET %')"),
            "1|1");
  int commands = 0;
  for (const std::string& line : lines_of(done.out)) {
    if (line.find("--store demo.db") == std::string::npos || line.find(" tail ") < 10) continue;
    ++commands;
    const Finished shown = sh("PATH=$(dirname $SLUICE):$PATH; " + line);
    EXPECT_EQ(shown.code, 0) << line << shown.error;
    EXPECT_GT(lines_of(shown.out).size(), 1u) << line << shown.out;
  }
  EXPECT_EQ(commands, 5);
  ASSERT_EQ(sh("$SLUICE demo --seconds 0.2 --rate 100").code, 0) << "again, and on the terminal";
  EXPECT_EQ(row("SELECT count(*) FROM runs"), "2");
}

TEST_F(Demo, EndsWhenItIsToldTo) {
  const pid_t pid = start("exec $SLUICE demo --seconds 3600 --quiet", path("o"), path("e"));
  ASSERT_TRUE(eventually([&] { return row("SELECT count(*) > 0 FROM records") == "1"; }));
  ::kill(pid, SIGTERM);
  EXPECT_EQ(wait_for(pid), 0) << text("e");
  EXPECT_EQ(row("SELECT count(*) FROM records WHERE body = 'told to stop'"), "1");
}

TEST_F(Demo, MistakesAllAtOnce) {
  const Finished wrong = sh("$SLUICE demo --seconds 0 --rate -1");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(lines_of(wrong.error).size(), 2u) << wrong.error;
  EXPECT_EQ(sh("$SLUICE demo --seconds x").code, 2);
  ASSERT_TRUE(storage::Connection::open(path("other.db"), storage::Access::kCreate)
                  .value()
                  ->run("CREATE TABLE logs(id)")
                  .ok());
  const Finished other = sh("$SLUICE demo --seconds 1 --quiet --store other.db");
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.error.find("another program"), std::string::npos) << other.error;
}

}  // namespace
}  // namespace sluice::test
