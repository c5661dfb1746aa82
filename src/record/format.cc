#include "record/format.h"

namespace sluice {

std::string_view drop_reason_name(DropReason reason) {
  switch (reason) {
    case DropReason::kRingFull:
      return "ring_full";
    case DropReason::kTooBig:
      return "too_big";
    case DropReason::kNoMemory:
      return "no_memory";
    case DropReason::kStopped:
      return "stopped";
  }
  return "unknown";
}

}  // namespace sluice
