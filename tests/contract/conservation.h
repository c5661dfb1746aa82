// The conservation checker: what callers attempted against what the product says became of it, and
// against what is in the outputs. Attempts are counted by the callers themselves, by what each call
// returned; the product's own sum of attempts is never used.
//
//     Attempts mine; mine.add(info("x"));  ...  EXPECT_EQ(imbalance(mine, stats()), "");
#ifndef SLUICE_TESTS_CONTRACT_CONSERVATION_H_
#define SLUICE_TESTS_CONTRACT_CONSERVATION_H_

#include <sluice/sluice.h>

#include <chrono>
#include <string>

namespace sluice::test {

// What the calls of one thread returned; add up those of all threads when they have ended.
struct Attempts {
  std::uint64_t by_result[6] = {};

  void add(Admission result) { ++by_result[static_cast<int>(result)]; }
  void add(const Attempts& other) {
    for (int i = 0; i < 6; ++i) by_result[i] += other.by_result[i];
  }
  [[nodiscard]] std::uint64_t of(Admission result) const {
    return by_result[static_cast<int>(result)];
  }
  [[nodiscard]] std::uint64_t all() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : by_result) sum += count;
    return sum;
  }
  [[nodiscard]] std::uint64_t accepted() const { return of(Admission::kOk); }
};

// What does not add up, one line each; empty: everything does, exactly. For quiet callers and, but
// for sinks that stand still, after a flush().
[[nodiscard]] inline std::string imbalance(const Attempts& mine, const Stats& told) {
  std::string wrong;
  const auto equal = [&wrong](const std::string& what, std::uint64_t callers,
                              std::uint64_t product) {
    if (callers == product) return;
    wrong += what + ": callers " + std::to_string(callers) + ", product " +
             std::to_string(product) + "\n";
  };
  equal("attempted", mine.all(),
        told.filtered + told.merged + told.held + told.queued + told.dropped());
  equal("attempted as told", mine.all(), told.attempted);
  equal("filtered", mine.of(Admission::kFiltered), told.filtered);
  equal("ring_full", mine.of(Admission::kDroppedFull), told.dropped_ring_full);
  equal("too_big", mine.of(Admission::kDroppedTooBig), told.dropped_too_big);
  equal("no_memory", mine.of(Admission::kDroppedNoMemory), told.dropped_no_memory);
  equal("stopped", mine.of(Admission::kStopped), told.dropped_stopped);
  equal("accepted", mine.accepted(), told.merged + told.held + told.queued);
  equal("damaged", 0, told.damaged);
  return wrong;
}

// What was merged before the sinks of this start; 0 for the first start of a process.
inline std::uint64_t merged_before_sinks = 0;
// Between stop() and another start() with new sinks.
inline void sinks_begin_here() { merged_before_sinks = stats().merged; }

// The same for each sink, which was there from the first record on, or from sinks_begin_here() on.
[[nodiscard]] inline std::string imbalance_of_sinks(const Stats& told) {
  std::string wrong;
  for (std::uint32_t i = 0; i < told.sinks; ++i) {
    const SinkStats& sink = told.sink[i];
    const std::uint64_t sum =
        sink.delivered + sink.filtered + sink.dropped_backlog + sink.dropped_error + sink.queued;
    const std::uint64_t offered = told.merged - merged_before_sinks;
    if (sum == offered) continue;
    wrong += "sink " + std::to_string(i) + ": " + std::to_string(sum) + " of " +
             std::to_string(offered) + " (delivered " + std::to_string(sink.delivered) +
             ", filtered " + std::to_string(sink.filtered) + ", backlog " +
             std::to_string(sink.dropped_backlog) + ", error " +
             std::to_string(sink.dropped_error) + ", queued " + std::to_string(sink.queued) + ")\n";
  }
  return wrong;
}

// What does not add up in this process when its callers are quiet. Threads of sinks may be at work:
// a record between two counts is waited for.
[[nodiscard]] inline std::string settled_imbalance() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  std::string wrong;
  do {
    const Stats told = stats();
    wrong = imbalance_of_sinks(told);
    if (told.damaged) wrong += "damaged: " + std::to_string(told.damaged) + "\n";
  } while (!wrong.empty() && std::chrono::steady_clock::now() < until);
  return wrong;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CONTRACT_CONSERVATION_H_
