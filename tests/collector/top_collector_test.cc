// sanitizers: none (forks programs with threads, and kills them)
//
// sluice top --collector: what programs say, drop and count is in just one look of each who asks
// their collector, which comes and goes.
#include "cli/top_fixture.h"
#include "collector/admin.h"

namespace sluice::test {
namespace {

using nlohmann::json;

const std::string kAsk = "--collector --socket run/admin.sock ";

class TopCollector : public TopPrograms {
 protected:
  // A program that the collector has, or reads when it has a file of its own.
  pid_t run_taken(u32 number) {
    const pid_t pid = run(number);
    EXPECT_TRUE(has(number)) << asked();
    return pid;
  }
  // Not the region of a collector that was killed, which the next one has too.
  bool has(u32 number) {
    return eventually(
        [&] {
          const json answer = asked();
          if (!answer.is_object()) return false;
          for (const json& process : answer["processes"]) {
            const bool is_it = process["product"] == "program" + std::to_string(number);
            if (is_it && process["over"] == false) return true;
          }
          return false;
        },
        60);
  }
  bool shows(const std::string& looks, u32 number, u64 rounds) {
    return eventually(
        [&] {
          const Sums sums = sums_of(text(looks), number);
          return sums.said == 3 * rounds && sums.all_dropped == rounds && sums.filtered == rounds &&
                 sums.served == double(3 * rounds) && sums.sizes == double(rounds) &&
                 sums.heat == 21.5;
        },
        60);
  }
  // From before its first record until after its last.
  Sums follow(u32 number, u64 rounds) {
    serve();
    const pid_t pid = run_taken(number);
    const pid_t top = start_top(kAsk + std::to_string(pid));
    EXPECT_EQ(sums_of(text("looks")).said, 0u);
    say(number, rounds);
    end(number, pid);
    EXPECT_EQ(wait_for(top), 0) << "ends with the process";
    return sums_of(text("looks"));
  }
  // What it answers to whoever asks it without the command.
  [[nodiscard]] json asked() const {
    const auto answer = collector::ask_admin(path("run/admin.sock"), "top", 60'000'000'000);
    return json::parse(answer.ok() ? answer.value() : "", nullptr, false);
  }
  int stop_top(pid_t top) {
    ::kill(top, SIGINT);
    return wait_for(top);
  }
};

TEST_F(TopCollector, CountsWhatItDrains) { expect_all(follow(1, 5000), 5000); }

TEST_F(TopCollector, CountsWhatItReads) {
  own_file_ = true;
  expect_all(follow(1, 5000), 5000);
}

// Those who ask do not disturb each other, and see no region themselves.
TEST_F(TopCollector, SeveralProcessesAndSeveralWhoAsk) {
  serve();
  const u64 rounds[] = {0, 300, 2000, 700};
  std::vector<pid_t> programs;
  for (u32 number : {1u, 2u, 3u}) programs.push_back(run_taken(number));
  ::setenv("SLUICE_REGION_DIRECTORY", path("nothing").c_str(), 1);
  EXPECT_EQ(sh("$SLUICE top --once --interval 0.05").code, 2) << "control: without the collector";
  const pid_t all = start_top(kAsk, "all");
  const pid_t again = start_top(kAsk, "again", "0.08");
  const pid_t two = start_top(kAsk + "program2 " + std::to_string(programs[2]), "two");
  for (u32 number : {1u, 2u, 3u}) say(number, rounds[number]);
  for (const char* const looks : {"all", "again"}) {
    for (u32 number : {1u, 2u, 3u}) {
      EXPECT_TRUE(shows(looks, number, rounds[number])) << looks << number;
    }
  }
  EXPECT_TRUE(shows("two", 2, 2000));
  EXPECT_TRUE(shows("two", 3, 700));
  EXPECT_EQ(sums_of(text("two"), 1).said, 0u);
  EXPECT_EQ(text("two").find("program1"), std::string::npos);
  for (u32 number : {1u, 2u, 3u}) end(number, programs[number - 1]);
  EXPECT_EQ(wait_for(two), 0);
  EXPECT_EQ(stop_top(all), 0);
  EXPECT_EQ(stop_top(again), 0);
  for (const char* const looks : {"all", "again"}) {
    for (u32 number : {1u, 2u, 3u}) {
      SCOPED_TRACE(looks + std::to_string(number));
      expect_all(sums_of(text(looks), number), rounds[number]);
    }
  }
}

// A program is counted whole however few looks fall into its life.
TEST_F(TopCollector, ThoseThatComeAndGo) {
  serve();
  (void)run_taken(1);
  const pid_t top = start_top(kAsk, "looks", "0.7");
  const pid_t second = run_taken(2);
  say(2, 1000);
  end(2, second);
  EXPECT_TRUE(shows("looks", 2, 1000));
  const pid_t third = run_taken(3);
  say(3, 500);
  ::kill(third, SIGKILL);
  (void)wait_for_program(third);
  EXPECT_TRUE(shows("looks", 3, 500));
  ASSERT_TRUE(eventually([&] { return has_ended(2) && has_ended(3); })) << own_records();
  // Each is told of once more at most when it is over, and then no more.
  EXPECT_TRUE(eventually([&] {
    const std::vector<std::string> lines = lines_of(text("looks"));
    return lines.size() > 2 && lines.back().find("\"program1\"") != std::string::npos &&
           lines[lines.size() - 2].find("\"program1\"") != std::string::npos;
  }));
  EXPECT_EQ(stop_top(top), 0);
  expect_all(sums_of(text("looks"), 2), 1000);
  expect_all(sums_of(text("looks"), 3), 500);
}

TEST_F(TopCollector, ACollectorThatIsKilledAndComesBack) {
  serve();
  const pid_t pid = run_taken(1);
  const pid_t top = start_top(kAsk + std::to_string(pid));
  say(1, 1000);
  EXPECT_TRUE(shows("looks", 1, 1000));
  (void)stop(SIGKILL);
  const std::string mark = "no collector runs at";
  EXPECT_TRUE(eventually([&] { return text("looks.e").find(mark) != std::string::npos; }, 60));
  serve();
  ASSERT_TRUE(has(1)) << asked();
  EXPECT_EQ(sums_of(text("looks")).said, 3000u) << "control: nothing twice";
  say(1, 3000);
  EXPECT_TRUE(shows("looks", 1, 3000));
  end(1, pid);
  EXPECT_EQ(wait_for(top), 0);
  expect_all(sums_of(text("looks")), 3000);
  const std::string said = text("looks.e");
  EXPECT_EQ(said.find(mark), said.rfind(mark)) << "said once: " << said;
}

// What it answers, for whoever asks it without the command.
TEST_F(TopCollector, ItsAnswerIsOfSums) {
  serve();
  const pid_t pid = run_taken(1);
  say(1, 100);
  json process;
  EXPECT_TRUE(eventually([&] {
    const json answer = asked();
    if (!answer.is_object() || answer["processes"].size() != 1u) return false;
    process = answer["processes"][0];
    return process["records"] >= 300 && process["dropped"] == 100;
  })) << asked();
  EXPECT_EQ(process["pid"], pid);
  EXPECT_EQ(process["over"], false);
  const auto of_site = [](const json& one, const std::string& format, const char* count) {
    u64 sum = 0;
    for (const json& site : one["sites"]) {
      if (site["format"] == format) sum += site[count].get<u64>();
    }
    return sum;
  };
  EXPECT_EQ(of_site(process, "once {}", "records"), 100u);
  EXPECT_EQ(of_site(process, "twice", "records"), 200u);
  EXPECT_EQ(of_site(process, "{}", "dropped"), 100u);
  const json again = asked()["processes"][0];
  EXPECT_EQ(of_site(again, "twice", "records"), 200u) << "asked twice, the same";
  EXPECT_EQ(again["since"], process["since"]);
  end(1, pid);
}

TEST_F(TopCollector, OneLookInWords) {
  serve();
  const pid_t pid = run_taken(3);
  may_say(3) = 1u << 30;
  ::setenv("SLUICE_SERVE_ADMIN_SOCKET", path("run/admin.sock").c_str(), 1);
  const Finished run = sh("$SLUICE top --collector --once --interval 0.5");
  ::unsetenv("SLUICE_SERVE_ADMIN_SOCKET");
  EXPECT_EQ(run.code, 0) << run.error;
  expect_words(run.out, 3, pid);
}

TEST_F(TopCollector, Mistakes) {
  const Finished none = sh("$SLUICE top --once " + kAsk);
  EXPECT_EQ(none.code, 3);
  EXPECT_NE(none.error.find("no collector runs at"), std::string::npos) << none.error;
  EXPECT_EQ(sh("$SLUICE top --once --socket run/admin.sock").code, 2);
  EXPECT_EQ(sh("$SLUICE top --once --directory . " + kAsk).code, 2);
  serve();
  const Finished nobody = sh("$SLUICE top --once " + kAsk);
  EXPECT_EQ(nobody.code, 2);
  EXPECT_NE(nobody.error.find("has no process now"), std::string::npos) << nobody.error;
  EXPECT_EQ(sh("$SLUICE top nobody " + kAsk).code, 2);
  EXPECT_EQ(status().code, 0) << "control: it is well";
}

}  // namespace
}  // namespace sluice::test
