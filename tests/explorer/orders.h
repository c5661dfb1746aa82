// Every order of a protocol, weakened in turn.
//
// A protocol names its memory orders in a struct of constants. Its test has one Weakening for each,
// by name; expect_all_listed() reads the struct from the source text, so that an order nobody
// weakens fails the test.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "explorer/explorer.h"
#include "explorer/report.h"
#include "support/read_file.h"

namespace sluice::explorer {

// Calls `run` for a scenario with the named order weakened.
struct Weakening {
  const char* order;
  std::function<Result()> run;
};

// The struct `Orders`, with one member weaker.
#define SLUICE_WEAKER(Orders, member, weaker)                               \
  struct Orders##_##member : Orders {                                       \
    static constexpr std::memory_order member = std::memory_order_##weaker; \
  }

inline std::set<std::string> members_of(const std::string& path, const std::string& orders) {
  std::set<std::string> names;
  const std::string source = test::read_file(std::string(SLUICE_SOURCE_DIR "/") + path);
  const std::size_t begin = source.find("struct " + orders + " ");
  if (begin == std::string::npos) return names;
  const std::string body = source.substr(begin, source.find("\n};", begin) - begin);
  const std::string type = "constexpr std::memory_order ";
  for (std::size_t at = 0; (at = body.find(type, at)) != std::string::npos;) {
    at += type.size();
    names.insert(body.substr(at, body.find_first_of(" =", at) - at));
  }
  return names;
}

// The struct `orders` in the source file `path` has exactly the members that are weakened.
inline void expect_all_listed(const std::string& path, const std::string& orders,
                              const std::vector<Weakening>& weakenings) {
  std::set<std::string> listed;
  for (const Weakening& weakening : weakenings) listed.insert(weakening.order);
  const std::set<std::string> members = members_of(path, orders);
  EXPECT_FALSE(members.empty()) << orders << " not found in " << path;
  EXPECT_EQ(members, listed) << "each order of " << orders << " needs its weakening here";
}

inline void expect_each_caught(const std::vector<Weakening>& weakenings) {
  for (const Weakening& weakening : weakenings) {
    const Result result = weakening.run();
    print(weakening.order, result);
    EXPECT_TRUE(result.failed) << weakening.order << " can be weaker and nothing fails";
  }
}

}  // namespace sluice::explorer
