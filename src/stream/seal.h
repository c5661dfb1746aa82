// Finishes what writers left that ended without closing their streams.
//
// Threading: any, who holds the streams' claims. Blocking: as the disk.
#ifndef SLUICE_SRC_STREAM_SEAL_H_
#define SLUICE_SRC_STREAM_SEAL_H_

#include <functional>
#include <optional>
#include <string>

#include "stream/directory.h"
#include "stream/file.h"
#include "stream/writer_counts.h"

namespace sluice::stream {

// What a writer left.
struct Left {
  std::string path;         // of the file that it was writing
  bool file = false;        // and it is there
  u64 cut_bytes = 0;        // of a line or block that was not whole
  std::optional<u64> lost;  // accepted records that are in no file; none: not known
  u64 kept = 0;             // records that were in memory only, and are in a file now

  // For a person: what is lost, and what became of the file; and the same as a whole sentence.
  [[nodiscard]] std::string loss() const;
  [[nodiscard]] std::string sentence() const;
};

// Finishes the file of one stream, if there is one, and writes what its writer had kept in memory
// to another. `told` is called if there is anything to tell, when only the end of it can still
// fail: whoever is killed here leaves it all to the next, or nothing that could be counted twice.
Status seal_left(StreamFile& file, const std::optional<StreamId>& id,
                 const std::function<void(const Left&)>& told);

// Of all streams of a directory that nobody writes. The first error; the other files are sealed all
// the same. Whoever opens a stream there meanwhile waits.
Status seal_unwritten(os::Io& io, Directory& directory,
                      const std::function<void(const Left&)>& told);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_SEAL_H_
