// A bucket that is a directory: another disk, a mount of the network.
//
// An object is written to a file of its own beside its place, `.sluice-upload-HEX`, read back and
// compared, synced, and only then given its name; never over a file that is there. The memo is HEX:
// the next attempt goes on where the file ends, and what it finds there is compared with the rest.
//
// Threading: as Bucket. Blocking: as the file system.
#ifndef SLUICE_SRC_UPLOAD_DIRECTORY_BUCKET_H_
#define SLUICE_SRC_UPLOAD_DIRECTORY_BUCKET_H_

#include <string>

#include "os/io.h"
#include "upload/bucket.h"

namespace sluice::upload {

class DirectoryBucket final : public Bucket {
 public:
  // The directory is made with the first object. `io` must outlive it.
  DirectoryBucket(os::Io& io, std::string directory);

  Attempt put(const std::string& name, const Source& source, std::string_view memo,
              const Progress& progress) override;
  std::optional<Attempt> same(const std::string& name, const Source& source) override;
  Attempt forget(const std::string& name, std::string_view memo) override;

 private:
  Attempt fill(const std::string& part, const Source& source, const Progress& progress);
  Attempt publish(const std::string& part, const std::string& path);
  [[nodiscard]] std::string path_of(const std::string& name) const;
  // Where the bytes are until they are all there; empty: no memo of ours.
  [[nodiscard]] std::string part_of(const std::string& name, std::string_view memo) const;

  os::Io& io_;
  const std::string directory_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_DIRECTORY_BUCKET_H_
