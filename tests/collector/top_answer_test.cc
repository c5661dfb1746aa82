// What a collector says to "top" has room in an answer, whatever it has.
#include "collector/top_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "collector/admin.h"

namespace sluice::collector {
namespace {

using nlohmann::json;

// With so many sites; the later ones have done more, and have a text of so many bytes.
RegionWatch::Look look_of(const std::string& product, u32 sites, std::size_t text) {
  RegionWatch::Look look;
  look.totals.run.product = product;
  for (u32 i = 0; i < sites; ++i) {
    Site site;
    site.format = std::string(text, 'x');
    look.totals.sites.push_back({i, std::make_shared<const Site>(site), i, 1, 0});
    MetricTotal metric{i, "m", "1", {{"a", "b"}}, region::CellKind::kCounter, double(i), double(i)};
    look.totals.metrics.push_back(metric);
    look.totals.records += i;
  }
  return look;
}

json answer_to(const std::vector<RegionWatch::Look>& looks, std::size_t most = kAdminAnswerMax) {
  const std::string text = top_answer(looks, 0, most);
  EXPECT_LE(text.size(), most);
  json answer = json::parse(text, nullptr, false);
  EXPECT_EQ(answer["ok"], true) << text.substr(0, 200);
  return answer;
}

TEST(TopAnswer, HasAllThatHasRoom) {
  const json answer = answer_to({look_of("a", 100, 10), look_of("b", 3, 10)});
  EXPECT_EQ(answer.contains("left_out"), false);
  ASSERT_EQ(answer["processes"].size(), 2u);
  const json& first = answer["processes"][0];
  EXPECT_EQ(first["sites"].size(), 100u);
  EXPECT_EQ(first["sites"][1]["id"], 1) << "in their order";
  EXPECT_EQ(first["metrics"].size(), 100u);
  EXPECT_EQ(first.contains("sites_left_out"), false);
  EXPECT_EQ(first["records"], 99 * 100 / 2);
}

TEST(TopAnswer, TheBusiestWhereNotAllHave) {
  const json answer = answer_to({look_of("a", 20'000, 10), look_of("b", 3, 10)});
  ASSERT_EQ(answer["processes"].size(), 2u);
  const json& first = answer["processes"][0];
  const u64 shown = first["sites"].size();
  EXPECT_GT(shown, 1000u);
  EXPECT_EQ(first["sites_left_out"], 20'000 - shown);
  EXPECT_EQ(first["metrics_left_out"], 20'000 - first["metrics"].size());
  EXPECT_EQ(first["sites"][0]["id"], 19'999);
  EXPECT_EQ(first["metrics"][0]["change"], 19'999);
  EXPECT_EQ(first["records"], u64{20'000} * 19'999 / 2) << "of all";
  EXPECT_EQ(answer["processes"][1]["sites"].size(), 3u);
}

// Nor does one keep the others out with them.
TEST(TopAnswer, TextsAreCut) {
  const json answer = answer_to({look_of("a", 500, 60'000), look_of("b", 3, 10)});
  const json& sites = answer["processes"][0]["sites"];
  ASSERT_EQ(sites.size(), 500u);
  EXPECT_EQ(sites[0]["format"], std::string(256, 'x'));
  EXPECT_EQ(answer["processes"][1]["sites"][0]["format"], std::string(10, 'x'));
}

TEST(TopAnswer, ProcessesWhereNotEvenTheirSumsHave) {
  std::vector<RegionWatch::Look> looks(2000, look_of("a", 3, 100));
  const json all = answer_to(looks, std::size_t{16} << 20);
  EXPECT_EQ(all["processes"].size(), 2000u) << "control";
  const json few = answer_to(looks, 100'000);
  const u64 shown = few["processes"].size();
  EXPECT_GT(shown, 200u);
  EXPECT_EQ(few["left_out"], 2000 - shown);
  EXPECT_EQ(few["processes"][0]["sites_left_out"], 3);
  EXPECT_EQ(json::parse(top_answer(looks, 7, 100'000))["left_out"], 2007 - shown);
  EXPECT_EQ(answer_to({look_of(std::string(5000, 'x'), 1, 1)}, 1000)["left_out"], 1);
}

TEST(TopAnswer, TextsThatAreNoUtf8) {
  RegionWatch::Look look = look_of("\xff\"\n", 1, 1);
  look.totals.metrics[0].value = std::numeric_limits<double>::infinity();
  const json answer = answer_to({look});
  EXPECT_EQ(answer["processes"][0]["product"], "\xef\xbf\xbd\"\n");
  EXPECT_EQ(answer["processes"][0]["metrics"][0]["value"], nullptr);
}

}  // namespace
}  // namespace sluice::collector
