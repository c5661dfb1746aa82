// How processes ended, as their parents have told: for those of whose end the kernel tells nothing.
//
// A parent may be first or last, so the newest kMost of what is told are kept.
//
// Threading: single-owner.
#ifndef SLUICE_SRC_COLLECTOR_TOLD_ENDS_H_
#define SLUICE_SRC_COLLECTOR_TOLD_ENDS_H_

#include <deque>

#include "collector/ingest_message.h"

namespace sluice::collector {

class ToldEnds {
 public:
  static constexpr std::size_t kMost = 1024;

  void add(const ProcessName& process, const os::ProcessEnd& end) {
    if (told_.size() == kMost) told_.pop_front();
    told_.push_back({process, end});
  }
  // Not known: nobody has told.
  [[nodiscard]] os::ProcessEnd of(const ProcessName& process) const {
    for (const Told& told : told_) {
      if (told.process == process) return told.end;
    }
    return {};
  }

 private:
  struct Told {
    ProcessName process;
    os::ProcessEnd end;
  };
  std::deque<Told> told_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_TOLD_ENDS_H_
