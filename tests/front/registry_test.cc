// Registration as a reader of the region sees it: definitions, names, control bytes, full tables.
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <thread>

#include "contract/isolated.h"
#include "front/front.h"
#include "record/site.h"

namespace sluice::front {
namespace {

Site site_of(u32 id) {
  Result<Site> site = decode_site(g_front.region.site_text(id));
  EXPECT_TRUE(site.ok()) << site.status().message();
  return site.ok() ? site.value() : Site{};
}
void begin(const test::Dirs& dirs) {
  const std::string log = dirs.file("a.log");
  ASSERT_TRUE(start({.product = "registry",
                     .sinks = {text_file(log)},
                     .region_directory = dirs.region,
                     .quiet = true}));
}
u32 last_site() { return g_front.region.wake().sites_used.load() - 1; }

ISOLATED_TEST(Registry, ADefinitionSaysEverythingOfItsCall) {
  begin(dirs);
  SLUICE_WARNING("order {id} at {} by {who:>5}", 1, 2.5, "x", kv("paid", true));
  const Site site = site_of(last_site());
  EXPECT_EQ(site.kind, RecordKind::kLog);
  EXPECT_EQ(site.level, Level::warning);
  EXPECT_EQ(site.format, "order {id} at {} by {who:>5}");
  EXPECT_TRUE(std::string(site.file).ends_with("registry_test.cc"));
  EXPECT_EQ(site.function, "Registry_ADefinitionSaysEverythingOfItsCall");
  EXPECT_GT(site.line, 0u);
  ASSERT_EQ(site.arguments.size(), 4u);
  EXPECT_EQ(site.arguments[0].name, "id");
  EXPECT_EQ(site.arguments[1].name, "");
  EXPECT_EQ(site.arguments[2].name, "who");
  EXPECT_EQ(site.arguments[3].name, "paid");
  EXPECT_EQ(site.arguments[0].type, ArgType::kI32);
  EXPECT_EQ(site.arguments[1].type, ArgType::kF64);
  EXPECT_EQ(site.arguments[2].type, ArgType::kString);
  EXPECT_EQ(site.arguments[3].type, ArgType::kBool);
  EXPECT_EQ(g_front.region.controls()[site.id].load(), detail::kOn);
}

ISOLATED_TEST(Registry, KindsAndHiddenArguments) {
  begin(dirs);
  static Logger net{"net"};
  SLUICE_LOGGER_INFO(net, "by {name}", "x");
  Site site = site_of(last_site());
  ASSERT_EQ(site.arguments.size(), 2u);
  EXPECT_EQ(site.hidden_arguments(), 1u);
  EXPECT_EQ(site.arguments[1].name, "name");
  counter("c", 1);
  site = site_of(last_site());
  EXPECT_EQ(site.kind, RecordKind::kMetric);
  EXPECT_EQ(site.metric, MetricKind::kCounter);
  state("{}");
  EXPECT_EQ(site_of(last_site()).kind, RecordKind::kState);
}

ISOLATED_TEST(Registry, LongTextsAreCutNotRefused) {
  begin(dirs);
  static const std::string name(300, 'n');
  log_text(Level::info, name, std::string(100'000, 'x'));
  const u32 loggers = g_front.region.wake().loggers_used.load();
  const region::LoggerEntry& entry = g_front.region.loggers()[loggers - 1];
  EXPECT_EQ(entry.bytes.load(), sizeof entry.name);
}

ISOLATED_TEST(Registry, ManyThreadsRegisterAtOnce) {
  begin(dirs);
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      ready.fetch_add(1);
      while (ready.load() < 8) {
      }
      const auto say = []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
        ((void)[] { SLUICE_INFO("site {} {}", kIndex, kIndex * 2); }(), ...);
      };
      say(std::make_index_sequence<200>());
    });
  }
  for (std::thread& thread : threads) thread.join();
  // A site may be registered twice, never wrongly.
  const u32 used = g_front.region.wake().sites_used.load();
  EXPECT_GE(used, kSiteFirstCaller + 200);
  for (u32 id = kSiteFirstCaller; id < used; ++id) {
    if (g_front.region.site_text(id).empty()) continue;
    EXPECT_EQ(site_of(id).id, id);
    EXPECT_EQ(site_of(id).arguments.size(), 2u);
  }
  const Stats told = stats();
  EXPECT_EQ(told.site_overflow, 0u);
}

ISOLATED_TEST(Registry, ControlBytesFollowLevels) {
  begin(dirs);
  SLUICE_INFO("x");
  const u32 id = last_site();
  const std::atomic<u8>& control = g_front.region.controls()[id];
  EXPECT_EQ(control.load(), detail::kOn);
  sluice::set_level("", Level::error);
  EXPECT_EQ(control.load(), detail::kOff);
  sluice::set_level("", Level::trace);
  EXPECT_EQ(control.load(), detail::kOn);
}

// A ring of a thread that has gone is used by the next, and only then.
ISOLATED_TEST(Registry, ThreadsTakeOverRings) {
  ASSERT_TRUE(start({.product = "t",
                     .sinks = {callback([](const CallbackRecord&, void*) {})},
                     .region_directory = dirs.region,
                     .quiet = true}));
  for (int i = 0; i < 50; ++i) {
    std::thread([] { (void)info("x"); }).join();
    (void)flush();
  }
  EXPECT_LE(g_front.region.wake().slots_used.load(), 6u);
  EXPECT_EQ(stats().merged, 50u);
}

}  // namespace
}  // namespace sluice::front
