#include "collector/ingest_message.h"

namespace sluice::collector {
namespace {

constexpr u8 kSignalMax = 64;

IngestMessage wrong(std::string_view problem) {
  return {.kind = IngestMessage::kWrong, .problem = problem};
}

IngestMessage read_region(std::string_view untrusted) {
  const auto head = load<RegistrationHead>(untrusted.data());
  if (head.path_bytes > kRegistrationPathMax) return wrong("the path is too long");
  const std::size_t bytes = sizeof head + head.path_bytes;
  if (untrusted.size() < bytes) return {};
  IngestMessage read{.kind = IngestMessage::kRegion,
                     .bytes = bytes,
                     .region = untrusted.substr(sizeof head, head.path_bytes)};
  if (head.place != kRegistrationDrain) read.place = head.place;
  return read;
}

IngestMessage read_end(std::string_view untrusted) {
  if (untrusted.size() < sizeof(EndMessage)) return {};
  const auto message = load<EndMessage>(untrusted.data());
  if (message.ended > 1 || message.core > 1 || message.signal > kSignalMax) {
    return wrong("not an end of a process");
  }
  IngestMessage read{.kind = IngestMessage::kEnd, .bytes = sizeof message};
  read.process.pid = message.pid;
  read.process.start_time = message.start_time;
  read.process.pid_namespace = message.pid_namespace;
  if (!read.process.is_whole()) return wrong("an end of nobody");
  read.end.known = message.ended == 1;
  read.end.exit_code = message.exit_code;
  read.end.signal = message.signal;
  read.end.core = message.core == 1;
  return read;
}

}  // namespace

IngestMessage read_ingest(std::string_view untrusted) {
  if (untrusted.size() < sizeof(RegistrationHead)) return {};
  // Both kinds begin alike.
  const auto head = load<RegistrationHead>(untrusted.data());
  const bool is_end = head.magic == kEndMagic;
  if (!is_end && head.magic != kRegistrationMagic) return wrong("not a registration");
  if (head.version != (is_end ? kEndVersion : kRegistrationVersion)) {
    return wrong("a message of another version; use the same Sluice for both");
  }
  return is_end ? read_end(untrusted) : read_region(untrusted);
}

}  // namespace sluice::collector
