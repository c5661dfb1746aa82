// Configurations: there and back through the region's table, and everything that is wrong with one.
#include "sink/sink_table.h"

#include <gtest/gtest.h>

#include <random>

#include "sink/filter.h"
#include "sink/make.h"
#include "support/journal_maker.h"

namespace sluice::testing {
namespace {

back::SinkConfig full_config() {
  back::SinkConfig config;
  config.kind = SinkKind::text;
  config.path = "/var/log/a = b.log";
  config.name = "demo";
  config.pattern = "%(time) = %(message)";
  config.level = Level::warning;
  config.logger = "net.*";
  config.rotate_bytes = 1 << 20;
  config.keep_files = 7;
  config.rotate_seconds = 3600;
  config.compress = true;
  config.rotate_at = "04:30Z";
  config.color = Color::always;
  config.stderr_level = Level::critical;
  config.required = true;
  return config;
}

TEST(SinkTableTest, GoesThereAndBack) {
  TestRegion region;
  const back::SinkConfig config = full_config();
  ASSERT_TRUE(sink::check_config(config).ok());
  sink::write_entry(config, region.entry());
  const auto read = sink::read_entry(region.entry());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read.value().kind, config.kind);
  EXPECT_EQ(read.value().path, config.path);
  EXPECT_EQ(read.value().name, config.name);
  EXPECT_EQ(read.value().pattern, config.pattern);
  EXPECT_EQ(read.value().level, config.level);
  EXPECT_EQ(read.value().logger, config.logger);
  EXPECT_EQ(read.value().rotate_bytes, config.rotate_bytes);
  EXPECT_EQ(read.value().keep_files, config.keep_files);
  EXPECT_EQ(read.value().rotate_seconds, config.rotate_seconds);
  EXPECT_TRUE(read.value().compress);
  EXPECT_EQ(read.value().rotate_at, config.rotate_at);
  EXPECT_EQ(read.value().color, config.color);
  EXPECT_EQ(read.value().stderr_level, config.stderr_level);
  EXPECT_TRUE(read.value().required);
  EXPECT_FALSE(sink::can_be_rebuilt(SinkKind::callback));
  EXPECT_TRUE(sink::can_be_rebuilt(SinkKind::segments));
}

TEST(SinkTableTest, RefusesHostileEntries) {
  TestRegion region;
  region::SinkEntry& entry = region.entry();
  const auto refused = [&](auto&& spoil) {
    sink::write_entry(full_config(), entry);
    spoil();
    return !sink::read_entry(entry).ok();
  };
  const auto put = [&](std::string_view options) {
    entry.options_bytes = u32(options.size());
    std::memcpy(entry.options, options.data(), options.size());
  };
  EXPECT_TRUE(refused([&] { entry.kind = 0; }));
  EXPECT_TRUE(refused([&] { entry.kind = 77; }));
  EXPECT_TRUE(refused([&] { entry.options_bytes = 2049; }));
  EXPECT_TRUE(refused([&] { copy_text(entry.path, "relative.log"); }));
  EXPECT_TRUE(refused([&] { copy_text(entry.path, "/two\nlines"); }));
  EXPECT_TRUE(refused([&] { copy_text(entry.path, ""); }));
  EXPECT_TRUE(refused([&] { std::memset(entry.path, 'x', sizeof entry.path); }));
  EXPECT_TRUE(refused([&] { put("level=loud\n"); }));
  EXPECT_TRUE(refused([&] { put("level=256\n"); }));
  EXPECT_TRUE(refused([&] { put("color=3\n"); }));
  EXPECT_TRUE(refused([&] { put("keep_files=99999999999\n"); }));
  EXPECT_TRUE(refused([&] { put("rotate_at=24:00\n"); }));
  EXPECT_TRUE(refused([&] { put("nothing"); }));
  EXPECT_TRUE(refused([&] { put(std::string_view("name=a\0b\n", 9)); }));
  EXPECT_FALSE(refused([&] { put("of_a_later_version=1\n"); }));
}

TEST(SinkTableTest, AnyBytesAreReadWithoutHarm) {
  TestRegion region;
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    sink::write_entry(full_config(), region.entry());
    auto* bytes = reinterpret_cast<unsigned char*>(&region.entry());
    for (int n = 0; n < 20; ++n) {
      bytes[random() % sizeof(region::SinkEntry)] = static_cast<unsigned char>(random());
    }
    const auto read = sink::read_entry(region.entry());
    EXPECT_TRUE(!read.ok() || sink::check_config(read.value()).ok());
  }
}

TEST(SinkTableTest, SaysWhatIsWrongAndHowToMendIt) {
  TestRegion region;
  const auto message = [&](auto&& change) {
    back::SinkConfig config = full_config();
    config.path = "/dev/shm/sluice-not-there/app.log";
    change(config);
    auto made = sink::make_sink(config, os::real_io(), region.get());
    return made.ok() ? std::string() : made.status().message();
  };
  using Config = back::SinkConfig;
  EXPECT_EQ(message([](Config&) {}), "");
  const auto contains = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  contains(message([](Config& c) { c.pattern = "%(nonsense)"; }), "nonsense");
  contains(message([](Config& c) { c.path = "app.log"; }), "must be absolute");
  contains(message([](Config& c) { c.path = "/tmp/"; }), "names a directory");
  contains(message([](Config& c) { c.path = "/" + std::string(300, 'x'); }), "at most 249");
  contains(message([](Config& c) { c.path = "/dev/null"; }), "console sink");
  contains(message([](Config& c) { c.path = "/etc/hostname/x"; }), "no directory");
  contains(message([](Config& c) { c.logger = "a.*.b"; }), "only at the end");
  contains(message([](Config& c) { c.pattern = std::string(2100, 'x'); }), "shorten");
  contains(message([](Config& c) { c.name = "two\nlines"; }), "newline");
  contains(message([](Config& c) { c.kind = SinkKind::callback; }), "without a function");
  contains(message([](Config& c) {
             c.kind = SinkKind::segments;
             c.path = "/etc/hostname";
           }),
           "not a directory");
}

TEST(FilterTest, LoggersAndThoseBelow) {
  Site site = text_site("x");
  const auto passes = [&](const std::string& logger, std::string_view name) {
    back::SinkConfig config;
    config.logger = logger;
    return sink::Filter(config).passes(site, name);
  };
  for (const char* all : {"", "*"}) {
    EXPECT_TRUE(passes(all, ""));
    EXPECT_TRUE(passes(all, "net"));
  }
  for (const char* net : {"net", "net.*", "net."}) {
    EXPECT_TRUE(passes(net, "net"));
    EXPECT_TRUE(passes(net, "net.http.client"));
    EXPECT_FALSE(passes(net, "network"));
    EXPECT_FALSE(passes(net, "ne"));
    EXPECT_FALSE(passes(net, ""));
    EXPECT_FALSE(passes(net, "my.net"));
  }
}

TEST(FilterTest, EngineRecordsPassEveryLevelButOff) {
  back::SinkConfig config;
  config.level = Level::critical;
  config.logger = "net";
  EXPECT_TRUE(sink::Filter(config).passes_engine());
  config.level = Level::off;
  EXPECT_FALSE(sink::Filter(config).passes_engine());
}

}  // namespace
}  // namespace sluice::testing
