// What another process writes into the area of requests of this one's region: nothing in it is
// believed, each request is answered once, and the program goes on.
//
// The other process is played by this one, through the file, which stays open: to close it would
// give up the locks of the region.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sluice/sluice.h>

#include <random>
#include <thread>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "region/region.h"

namespace sluice::test {
namespace {

using region::Answer;
using region::Request;
using region::RequestArea;
using region::RequestKind;
using region::RequestOutcome;

class Asker {
 public:
  explicit Asker(const Dirs& dirs) {
    for (const auto& entry : std::filesystem::directory_iterator(dirs.region)) {
      if (entry.path().extension() == ".region") {
        fd_ = ::open(entry.path().c_str(), O_RDWR | O_CLOEXEC);
      }
    }
    alignas(64) char bytes[4096];
    if (::pread(fd_, bytes, sizeof bytes, 0) != sizeof bytes) return;
    const auto& header = *reinterpret_cast<const region::RegionHeader*>(bytes);
    for (u32 i = 0; i < header.area_count; ++i) {
      if (header.areas[i].kind == u32(region::AreaKind::kRequests)) at_ = header.areas[i].offset;
    }
  }

  // Its answer, once there is one.
  Answer ask(const Request& request, u8 step = 1) {
    put(0, &request, sizeof request);
    const u8 asked = u8(byte_at(offsetof(RequestArea, asked)) + step);
    put(offsetof(RequestArea, asked), &asked, 1);
    while (byte_at(offsetof(RequestArea, answered)) != asked) std::this_thread::yield();
    Answer answer;
    EXPECT_EQ(::pread(fd_, &answer, sizeof answer, off_t(at_ + offsetof(RequestArea, answer))),
              ssize_t(sizeof answer));
    return answer;
  }
  [[nodiscard]] bool is_read() const {
    return byte_at(offsetof(RequestArea, reader)) == u8(region::RequestReader::kThread);
  }

 private:
  void put(u64 at, const void* from, std::size_t size) const {
    EXPECT_EQ(::pwrite(fd_, from, size, off_t(at_ + at)), ssize_t(size));
  }
  [[nodiscard]] u8 byte_at(u64 at) const {
    u8 byte = 0;
    EXPECT_EQ(::pread(fd_, &byte, 1, off_t(at_ + at)), 1);
    return byte;
  }

  int fd_ = -1;
  u64 at_ = 0;
};

Request request_of(RequestKind kind, std::string_view name, Level level) {
  Request request{};
  request.kind = kind;
  request.level = u8(level);
  request.bytes = u16(name.copy(request.name, sizeof request.name));
  return request;
}

std::string_view text_of(const Answer& answer) { return {answer.text, answer.bytes}; }

Options options_for(const Dirs& dirs, Kept& kept) {
  return {.product = "requests",
          .sinks = {kept.sink()},
          .region_directory = dirs.region,
          .quiet = true};
}

ISOLATED_TEST(Requests, AreAppliedBeforeTheyAreAnswered) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  Asker asker(dirs);
  EXPECT_TRUE(asker.is_read());
  const auto say = [] { SLUICE_DEBUG("debug"); };
  say();
  EXPECT_EQ(asker.ask(request_of(RequestKind::kLogger, "", Level::debug)).outcome,
            RequestOutcome::kApplied);
  say();
  EXPECT_EQ(kept.messages(), std::vector<std::string>{"debug"});
  const Answer answer = asker.ask(request_of(RequestKind::kSites, "requests_test.cc", Level::off));
  EXPECT_EQ(answer.outcome, RequestOutcome::kApplied);
  EXPECT_EQ(answer.sites, 1u);
  say();
  EXPECT_EQ(kept.messages(), std::vector<std::string>{});
  EXPECT_TRUE(stop());
  EXPECT_FALSE(asker.is_read());
}

ISOLATED_TEST(Requests, TheDefaultOfAPlaceIsTheLimitThatItWasStartedWith) {
  ::setenv("SLUICE_SITE_LIMIT", "requests_test.cc=1/4294967295", 1);
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  Asker asker(dirs);
  const auto said = [&kept] {
    for (int i = 0; i < 10; ++i) SLUICE_INFO("said");
    const std::vector<std::string> all = kept.messages();
    return std::count(all.begin(), all.end(), "said");
  };
  EXPECT_EQ(said(), 0);
  const auto ask = [&](RequestKind kind) {
    const Request request = request_of(kind, "requests_test.cc", Level{0});
    EXPECT_EQ(asker.ask(request).outcome, RequestOutcome::kApplied);
  };
  ask(RequestKind::kSiteRate);
  EXPECT_EQ(said(), 10) << "no limit any more";
  ask(RequestKind::kSites);
  EXPECT_EQ(said(), 0);
}

ISOLATED_TEST(Requests, WhatMakesNoSenseIsRefused) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  Asker asker(dirs);
  const auto refused = [&](const Request& request, std::string_view why) {
    const Answer answer = asker.ask(request);
    EXPECT_EQ(answer.outcome, RequestOutcome::kRefused);
    EXPECT_NE(text_of(answer).find(why), std::string_view::npos) << text_of(answer);
  };
  refused(request_of(RequestKind{0}, "", Level::debug), "does not know");
  refused(request_of(RequestKind::kLogger, "", Level{3}), "no such level");
  refused(request_of(RequestKind::kSites, "", Level::debug), "no file");
  Request longer = request_of(RequestKind::kSites, "a.cc", Level::debug);
  longer.bytes = region::kRequestNameMax + 1;
  refused(longer, "makes no sense");
  for (int i = 0; i < 1024; ++i) (void)set_site_level("f" + std::to_string(i), Level::off);
  refused(request_of(RequestKind::kSites, "one_more.cc", Level::off), "as many places");
  for (int i = 0; i < 600; ++i) log_text(Level::info, "logger." + std::to_string(i), "x");
  refused(request_of(RequestKind::kLogger, "one.more", Level::off), "no room");
}

ISOLATED_TEST(Requests, AnyBytes) {
  Kept kept;
  ASSERT_TRUE(start(options_for(dirs, kept)));
  Asker asker(dirs);
  std::mt19937 random(12);
  for (int i = 0; i < 100; ++i) {
    Request request;
    char* const bytes = reinterpret_cast<char*>(&request);
    for (std::size_t at = 0; at < sizeof request; ++at) bytes[at] = char(random());
    if (i % 2 == 0) request.kind = RequestKind(1 + i / 2 % 5);
    if (i % 3 == 0) request.bytes %= 1100;
    if (i % 4 == 0) request.level = u8(Level::off);
    (void)asker.ask(request, u8(1 + random() % 255));
  }
  EXPECT_EQ(asker.ask(request_of(RequestKind::kLogger, "", Level::debug)).outcome,
            RequestOutcome::kApplied);
  SLUICE_DEBUG("goes on");
  EXPECT_EQ(kept.messages(), std::vector<std::string>{"goes on"});
}

}  // namespace
}  // namespace sluice::test
