// A program whose metrics are said each millisecond, and what its file has of them.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_SAID_METRICS_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_SAID_METRICS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "contract/outputs.h"
#include "sluice/sluice.h"

namespace sluice::testing {

inline Options options_on(const std::string& region, const std::string& file) {
  return {.product = "metrics",
          .sinks = {json_file(file)},
          .journal_bytes = 1 << 20,
          .metrics_interval_ms = 1,
          .region_directory = region,
          .quiet = true};
}

// All that was added to the metric; of a histogram: how often.
inline std::uint64_t said_in(const std::string& file, const std::string& name) {
  double sum = 0;
  for (const nlohmann::json& record : test::read_json(file)) {
    if (record.value("name", "") != name) continue;
    const bool summary = record["metric"] == "histogram";
    sum += summary ? double(record["fields"]["count"]) : double(record["value"]);
    if (name == "observed") {
      EXPECT_EQ(record["fields"]["buckets"].size(), 1u);
    }
  }
  return std::uint64_t(sum);
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_SAID_METRICS_H_
