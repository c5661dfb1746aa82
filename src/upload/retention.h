// Which files of a directory are to be removed to keep it small: those that are uploaded first, and
// others only when a budget of the disk says so.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_RETENTION_H_
#define SLUICE_SRC_UPLOAD_RETENTION_H_

#include <string>
#include <vector>

#include "upload/scan.h"

namespace sluice::upload {

struct Bounds {
  i64 kept_ns = 0;     // uploaded files that are kept go when they are older; 0: no bound
  u64 kept_bytes = 0;  // the oldest of them, while together they have more
  u64 disk_bytes = 0;  // the oldest of all, uploaded ones first, while together they have more

  [[nodiscard]] bool any() const { return kept_ns > 0 || kept_bytes > 0 || disk_bytes > 0; }
};

struct Candidate {
  FoundFile file;
  bool uploaded = false;
  bool in_use = false;  // being sent: is counted, and not removed
};

// Those that go, each as it stands in `files`, which are in the order of their age, the oldest
// first.
[[nodiscard]] std::vector<Candidate> files_to_remove(const std::vector<Candidate>& files,
                                                     const Bounds& bounds, i64 now_ns);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_RETENTION_H_
