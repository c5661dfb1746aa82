#include "upload/retention.h"

namespace sluice::upload {

std::vector<Candidate> files_to_remove(const std::vector<Candidate>& files, const Bounds& bounds,
                                       i64 now_ns) {
  u64 all_bytes = 0, kept_bytes = 0;
  for (const Candidate& candidate : files) {
    all_bytes += candidate.file.info.size;
    if (candidate.uploaded) kept_bytes += candidate.file.info.size;
  }
  const auto over = [](u64 bytes, u64 bound) { return bound > 0 && bytes > bound; };
  std::vector<Candidate> gone;
  for (const bool uploaded : {true, false}) {
    for (const Candidate& candidate : files) {
      if (candidate.uploaded != uploaded || candidate.in_use) continue;
      const os::FileInfo& info = candidate.file.info;
      const bool old = bounds.kept_ns > 0 && info.modified_ns < now_ns - bounds.kept_ns;
      const bool kept_too_long = uploaded && (old || over(kept_bytes, bounds.kept_bytes));
      if (!kept_too_long && !over(all_bytes, bounds.disk_bytes)) continue;
      all_bytes -= info.size;
      if (uploaded) kept_bytes -= info.size;
      gone.push_back(candidate);
    }
  }
  return gone;
}

}  // namespace sluice::upload
