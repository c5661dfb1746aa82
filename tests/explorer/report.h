// What tests print of an exploration.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "explorer/explorer.h"

namespace sluice::explorer {

inline void print(const char* name, const Result& result) {
  std::printf("[ explored ] %-44s %8llu executions %8llu redundant %7.3f s%s%s\n", name,
              static_cast<unsigned long long>(result.executions),
              static_cast<unsigned long long>(result.redundant), result.seconds,
              result.failed ? "  found: " : "", result.what.c_str());
}

inline std::string describe(const Result& result) {
  std::string text = result.what.empty() ? "no violation" : result.what;
  text += "\nexecutions " + std::to_string(result.executions) + ", cut " +
          std::to_string(result.cut) + (result.complete ? ", complete" : ", not complete");
  if (result.failed) {
    text += "\nreplay: \"" + result.choices + "\", seed " + std::to_string(result.seed) + "\n" +
            result.trace;
  }
  return text;
}

inline void expect_holds(const char* name, const Result& result) {
  print(name, result);
  EXPECT_FALSE(result.failed) << describe(result);
  EXPECT_TRUE(result.complete || result.failed) << describe(result);
}

}  // namespace sluice::explorer
