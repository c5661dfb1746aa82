// sanitizers: address (commands of one thread, in which ThreadSanitizer has nothing to find)
//
// sluice metrics: series, samples, and what they come to.
#include "cli/store_cli.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Metrics : public StoreCli {
 protected:
  void SetUp() override {
    StoreCli::SetUp();
    make_store();
    sql("INSERT INTO metrics(timestamp, metric_name, value, unit) VALUES"
        "('2026-01-02 03:04:05', 'load', 1, '%'), ('2026-01-02 03:04:50.5', 'load', 4, '%'),"
        "('2026-01-02 03:06:00', 'load', 2.5, '%'), ('2026-01-02 03:06:01', 'load', 9e999, NULL)");
  }
};

TEST_F(Metrics, TheSeries) {
  EXPECT_EQ(
      command("metrics").out,
      "metric_name  kind   unit  tags  points  first                    last\n"
      "-----------  -----  ----  ----  ------  -----------------------  -----------------------\n"
      "load         gauge        {}    1       2026-01-02 03:06:01.000  2026-01-02 03:06:01.000\n"
      "load         gauge  %     {}    3       2026-01-02 03:04:05.000  2026-01-02 03:06:00.000\n");
  const std::vector<std::string> lines =
      lines_of(command("metrics --json --until 2026-01-02T03:06Z").out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0]), (json{{"metric_name", "load"},
                                         {"kind", "gauge"},
                                         {"unit", "%"},
                                         {"tags", json::object()},
                                         {"points", 2},
                                         {"first", "2026-01-02 03:04:05.000"},
                                         {"last", "2026-01-02 03:04:50.500"}}));
}

TEST_F(Metrics, TheSamplesOfOne) {
  EXPECT_EQ(command("metrics load --csv --limit 2").out,
            "id,timestamp,metric_name,value,unit,tags\r\n"
            "3,2026-01-02 03:06:00.000,load,2.5,%,{}\r\n"
            "4,2026-01-02 03:06:01.000,load,Inf,,{}\r\n");
  EXPECT_EQ(json::parse(command("metrics load --json --limit 1").out),
            (json{{"id", 4},
                  {"timestamp", "2026-01-02 03:06:01.000"},
                  {"metric_name", "load"},
                  {"value", "Infinity"},
                  {"unit", nullptr},
                  {"tags", json::object()}}));
}

TEST_F(Metrics, SpansAndAggregates) {
  EXPECT_EQ(
      command(
          "metrics load --every 1m --agg avg,count --agg p50 --csv --until 2026-01-02T03:06:01Z")
          .out,
      "timestamp,metric_name,unit,tags,avg,count,p50\r\n"
      "2026-01-02 03:04:00.000,load,%,{},2.5,2,1.0\r\n"
      "2026-01-02 03:06:00.000,load,%,{},2.5,1,2.5\r\n");
  EXPECT_EQ(command("metrics load --every 1h --csv --until 2026-01-02T03:06:01Z").out,
            "timestamp,metric_name,unit,tags,avg\r\n2026-01-02 03:00:00.000,load,%,{},2.5\r\n");
  EXPECT_EQ(command("metrics load --agg max --csv").out,
            "metric_name,unit,tags,max\r\nload,,{},Inf\r\nload,%,{},4.0\r\n");
}

TEST_F(Metrics, Mistakes) {
  const Finished none = command("metrics nothing");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.error.find("no metric 'nothing'"), std::string::npos) << none.error;
  const Finished wrong =
      sh("$SLUICE metrics --every 1y --agg avg,middle --since never --limit -1 --json --csv");
  EXPECT_EQ(wrong.code, 2);
  for (const char* said : {"--every: duration \"1y\"", "--agg: \"middle\" is none", "--since: ",
                           "--limit: ", "of which metric?", "no store; name it", "choose one"}) {
    EXPECT_NE(wrong.error.find(said), std::string::npos) << said << "\n" << wrong.error;
  }
}

}  // namespace
}  // namespace sluice::test
