// A scripted session of a segment writer and its owner, for the tests that spoil its disk.
//
// The owner behaves as a sink does: it repeats what failed with `retryable`, and counts as
// acknowledged only what flush() or sync() said ok to.
#ifndef SLUICE_TESTS_SEGMENT_FAULT_SCRIPT_H_
#define SLUICE_TESTS_SEGMENT_FAULT_SCRIPT_H_

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "segment_fixture.h"
#include "support/fault_io.h"

namespace sluice::testing {

class Script {
 public:
  static constexpr u32 kSteps = 60;

  // Opening may fail too: started() says whether it did not.
  explicit Script(os::Io& io, u64 first_sequence = 1) : sites_(7) {
    SegmentOptions options{.directory = "/d",
                           .name = "app",
                           .segment_bytes = 8192,
                           .keep_bytes = 1024 * 1024,
                           .io = &io};
    for (int tried = 0; tried < 2 && !recorder_.writer; ++tried) {
      auto opened = SegmentWriter::open(options, test_run());
      if (opened.ok()) recorder_.writer = std::move(opened.value());
    }
    if (!started()) return;
    recorder_.writer->define_clock(recorder_.clock);
    recorder_.name_thread(0, 1, "main");
    recorder_.next = first_sequence;
    written_end = durable_end = first_sequence;
  }

  // Goes on until the end or until a step fails several times; true at the end.
  bool run() {
    while (step_ < kSteps) {
      Status status;
      for (int tried = 0; tried < 3; ++tried) {
        status = do_step(step_);
        if (status.ok()) break;
        last_error = status;
      }
      if (!status.ok()) return false;
      ++step_;
    }
    return true;
  }

  [[nodiscard]] bool started() const { return recorder_.writer != nullptr; }
  [[nodiscard]] const Oracle& oracle() const { return recorder_.oracle; }
  [[nodiscard]] u64 taken_end() const { return recorder_.next; }
  [[nodiscard]] SegmentWriter& writer() { return *recorder_.writer; }

  u64 written_end = 0;  // acknowledged
  u64 durable_end = 0;
  Status last_error;

 private:
  Status do_step(u32 step) {
    if (step + 1 == kSteps) return acknowledge(recorder_.writer->seal(), true);
    if (step % 13 == 12) return acknowledge(recorder_.writer->sync(), true);
    if (step % 3 == 2) return acknowledge(recorder_.writer->flush(), false);
    if (step % 10 == 0) recorder_.name_thread(1, step, "worker " + std::to_string(step));
    const std::size_t size = step == 31 ? 70'000 : 200 + 104 * (step % 6);
    return recorder_.append(sites_[step], u16(step % 2), size);
  }

  Status acknowledge(Status status, bool durable) {
    if (!status.ok()) return status;
    written_end = recorder_.next;
    if (durable) durable_end = recorder_.next;
    return status;
  }

  Sites sites_;
  Recorder recorder_;
  u32 step_ = 0;
};

// What of [first, end) is not in `served`. Empty is what every test here wants to see.
[[nodiscard]] inline std::vector<u64> missing_of(const std::vector<u64>& served, u64 first,
                                                 u64 end) {
  std::vector<u64> missing;
  const std::vector<u64> wanted = sequences(first, end);
  std::set_difference(wanted.begin(), wanted.end(), served.begin(), served.end(),
                      std::back_inserter(missing));
  return missing;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SEGMENT_FAULT_SCRIPT_H_
