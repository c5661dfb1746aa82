// The rate of a user's clients, by a clock that the test moves.
#include "append_server/byte_rate.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::test {
namespace {

using append_server::ByteRate;

constexpr i64 kMs = 1'000'000;
constexpr i64 kSecond = 1000 * kMs;
constexpr i64 kStart = 1'000'000 * kSecond;
constexpr u64 kRate = 1 << 20;

TEST(ByteRate, ManyClientsTogetherGetTheRateAndEachItsShare) {
  ByteRate rate(kRate);
  struct Client {
    i64 from_ns;
    u64 received = 0;
  };
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) clients.push_back({rate.take_piece(kStart)});
  u64 received = 0;
  for (i64 now = kStart; now < kStart + 10 * kSecond; now += kMs) {
    for (Client& client : clients) {
      for (; client.from_ns <= now; client.from_ns = rate.take_piece(now)) {
        client.received += rate.piece();
        received += rate.piece();
      }
    }
    const u64 most = kRate + kRate * u64(now - kStart) / u64(kSecond) + rate.piece();
    ASSERT_LE(received, most) << "after " << (now - kStart) / kMs << " ms";
  }
  EXPECT_GE(received, 11 * kRate - 2 * rate.piece());
  for (const Client& client : clients) {
    EXPECT_NEAR(double(client.received), double(received) / 10, double(kRate) / 2)
        << "of what was saved";
  }
}

TEST(ByteRate, WhatWasNotNeededCostsNothing) {
  ByteRate rate(kRate);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_LE(rate.take_piece(kStart), kStart);
    rate.give_back(rate.piece());
  }
  EXPECT_TRUE(rate.is_rested(kStart));
  (void)rate.take_piece(kStart);
  EXPECT_FALSE(rate.is_rested(kStart));
  EXPECT_FALSE(rate.is_rested(kStart + kSecond / 32));
  EXPECT_TRUE(rate.is_rested(kStart + kSecond / 16));
}

TEST(ByteRate, PiecesAreNeitherTinyNorHuge) {
  EXPECT_EQ(ByteRate(1000).piece(), 4096U);
  EXPECT_EQ(ByteRate(u64{1} << 40).piece(), 256U << 10);
}

}  // namespace
}  // namespace sluice::test
