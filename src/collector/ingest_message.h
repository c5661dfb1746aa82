// What comes over the ingest socket (docs/formats/registration.md), read out of untrusted bytes.
//
// Threading: values and plain functions.
#ifndef SLUICE_SRC_COLLECTOR_INGEST_MESSAGE_H_
#define SLUICE_SRC_COLLECTOR_INGEST_MESSAGE_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/registration_message.h"
#include "os/process_watch.h"

namespace sluice::collector {

// A process as it and its parent see it, and whose it is.
struct ProcessName {
  u32 pid = 0;
  u32 uid = 0;
  u64 start_time = 0;
  u64 pid_namespace = 0;
  // Only then it can be no other.
  [[nodiscard]] bool is_whole() const { return pid != 0 && start_time != 0 && pid_namespace != 0; }
  [[nodiscard]] bool operator==(const ProcessName&) const = default;
};

struct IngestMessage {
  enum Kind : u8 {
    kPart,    // of a message: more is to come
    kRegion,  // the program's region is at `region`, to be drained, or read at `place`
    kEnd,     // the process will be told of, or `end` is how it ended
    kWrong,   // none of ours, and why
  } kind = kPart;
  std::size_t bytes = 0;  // of kRegion and kEnd: how long it is
  std::string_view region = {};
  std::optional<u32> place = {};
  ProcessName process = {};  // without the user
  os::ProcessEnd end = {};   // not known: it has not ended yet
  std::string_view problem = {};
};

inline constexpr std::size_t kIngestMessageMax = sizeof(RegistrationHead) + kRegistrationPathMax;
static_assert(sizeof(EndMessage) <= kIngestMessageMax);

// The message that they begin with; its views are into them. A part is shorter than
// kIngestMessageMax.
[[nodiscard]] IngestMessage read_ingest(std::string_view untrusted);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_INGEST_MESSAGE_H_
