// Completes a segment whose writer died: cuts what is behind the last good frame, appends the seal.
//
// The caller holds whatever lock says that nobody writes the file. May be killed at any step and
// run again: before the cut nothing has changed; after it the file ends in a good frame; the seal
// is one more good frame, or a torn tail for the next recovery. Good frames are never touched, and
// a file without a single good frame is not ours to change. Threading: plain function. Blocking:
// reads the file once, then writes and syncs the end.
#ifndef SLUICE_SRC_SEGMENT_RECOVER_H_
#define SLUICE_SRC_SEGMENT_RECOVER_H_

#include <string>

#include "segment/verify.h"

namespace sluice {

struct RecoveryReport {
  bool is_segment = false;  // false: no good frame, the file was left as it is
  bool was_sealed = false;
  bool seal_added = false;
  u64 cut_bytes = 0;  // removed behind the last good frame
};

// Refuses symbolic links. `retryable` when no space is left for the seal, otherwise `fatal`; the
// file is then in a state that a later recovery completes.
[[nodiscard]] Result<RecoveryReport> recover_segment(os::Io& io, const std::string& path);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_RECOVER_H_
