// The append service and the loss of power: what a client of the extension was told with `sync` is
// in the file afterwards.
//
// sanitizers: none (mounts, and a process that dies with its parent)
#include <gtest/gtest.h>

#include <charconv>

#include "append/protocol.h"
#include "append_server/raw_client.h"
#include "append_server/service.h"
#include "power_loss/rig.h"
#include "support/own_directory.h"
#include "support/read_file.h"

namespace sluice::power_loss {
namespace {

using append_server::Service;
using test::RawClient;

std::string line_of(u64 number) {
  return "line " + std::to_string(number) + std::string(number * 2654435761 % 900, '.') + "\n";
}

// On a socket that is not on the disk that loses power.
class Server {
 public:
  Server() {
    append_server::ServiceOptions options;
    options.listeners = {os::listen_unix(socket(), append::kBacklog)};
    auto started = Service::start(std::move(options));
    service_ = std::move(started.value());
  }
  [[nodiscard]] std::string socket() const { return directory_.path() + "/s"; }

 private:
  const test::OwnDirectory directory_;
  std::unique_ptr<Service> service_;
};

// The N of the last "ACK N" of these messages; none is 0.
u64 last_acknowledged(std::string_view messages) {
  const std::size_t at = messages.rfind(append::kAckPrefix);
  u64 bytes = 0;
  if (at == messages.npos) return bytes;
  const char* const number = messages.data() + at + append::kAckPrefix.size();
  (void)std::from_chars(number, messages.data() + messages.size(), bytes);
  return bytes;
}

// One client of one file, that waits for acknowledgements now and then. Told: bytes.
struct Acknowledged {
  static constexpr u64 kLines = 2000;
  static constexpr u64 kBatch = 40;

  static std::vector<Told> write(const Rig& rig, const std::string& sync) {
    std::vector<Told> told;
    const Server server;
    const RawClient client(server.socket());
    EXPECT_TRUE(client.send("sluice-append/1 ack" + sync + '\0') &&
                client.open(rig.directory() + "/file"));
    EXPECT_EQ(client.message(), "OK");
    u64 sent = 0;
    for (u64 number = 0; number < kLines; ++number) {
      const std::string line = line_of(number);
      EXPECT_TRUE(client.send(line));
      sent += line.size();
      if (number % kBatch != kBatch - 1) continue;
      for (u64 bytes = 0; bytes < sent;) {
        bytes = last_acknowledged(client.receive());
        if (bytes == 0) return told;  // neither that nor what follows was told
        told.push_back({rig.now(), bytes});
      }
    }
    return told;
  }
  // How much of what was told to be there is not.
  static u64 lost(const std::string& directory, u64 durable) {
    static const std::string all = [] {
      std::string lines;
      for (u64 number = 0; number < kLines; ++number) lines += line_of(number);
      return lines;
    }();
    const std::string there = test::read_file(directory + "/file");
    const auto same = std::ranges::mismatch(there, all).in1 - there.begin();
    return durable - std::min(durable, u64(same));
  }
};

// One client after the other, each with a file of its own, that waits for the end. Told: files.
struct SaidGoodbye {
  static constexpr u64 kFiles = 60;

  static std::string content(u64 number) {
    std::string lines;
    for (u64 i = 0; i < 50; ++i) lines += line_of(number * 50 + i);
    return lines;
  }
  static std::vector<Told> write(const Rig& rig, const std::string& sync) {
    std::vector<Told> told;
    const Server server;
    for (u64 number = 0; number < kFiles; ++number) {
      const RawClient client(server.socket());
      EXPECT_TRUE(client.send("sluice-append/1" + sync + '\0') &&
                  client.open(rig.directory() + "/" + std::to_string(number)) &&
                  client.send(content(number)));
      client.end();
      EXPECT_EQ(client.message(), "OK");
      EXPECT_EQ(client.message(), "BYE");
      told.push_back({rig.now(), number + 1});
    }
    return told;
  }
  static u64 lost(const std::string& directory, u64 durable) {
    u64 lost = 0;
    for (u64 number = 0; number < durable; ++number) {
      lost += test::read_file(directory + "/" + std::to_string(number)) != content(number);
    }
    return lost;
  }
};

// Of all points; and what was told at them.
template <class Session>
void lose_power(const std::string& sync, u32 count, u64& lost, u64& durable) {
  Rig rig({});
  if (!rig.problem().empty()) GTEST_SKIP() << rig.problem();
  std::filesystem::create_directory(rig.directory());
  const std::vector<Told> told = Session::write(rig, sync);
  EXPECT_GT(told.size(), 5U);
  rig.each_point(count, [&](u64 point, const std::string& directory) {
    durable += durable_at(told, point);
    lost += Session::lost(directory, durable_at(told, point));
  });
}

template <class Session>
class AppendPower : public ::testing::Test {};
using Sessions = ::testing::Types<Acknowledged, SaidGoodbye>;
TYPED_TEST_SUITE(AppendPower, Sessions);

TYPED_TEST(AppendPower, WhatWasToldWithASyncIsThere) {
  constexpr bool kEnds = std::is_same_v<TypeParam, SaidGoodbye>;
  u64 lost = 0, durable = 0;
  lose_power<TypeParam>(kEnds ? " sync=end" : " sync=1", points(20, 400), lost, durable);
  if (this->IsSkipped()) return;
  EXPECT_EQ(lost, 0U);
  EXPECT_GT(durable, 0U);
}

// In the file is not on the disk: the check above sees the difference.
TYPED_TEST(AppendPower, WithoutASyncItIsLostAndTheCheckSeesIt) {
  u64 lost = 0, durable = 0;
  lose_power<TypeParam>("", points(20, 100), lost, durable);
  if (this->IsSkipped()) return;
  EXPECT_GT(lost, 0U);
}

}  // namespace
}  // namespace sluice::power_loss
