// A bucket of S3, or of a store that speaks its language (MinIO, Ceph, Google's XML interface).
//
// Every payload is signed with its SHA-256 and carries its CRC32C, so that the store takes no byte
// that changed under way. Small objects go up in one request, larger ones in parts; what makes them
// whole says "only if there is none" (If-None-Match: *), and we look before, for the stores that do
// not know that. Afterwards we ask what is there and compare: the size and the CRC32C of the whole
// object, or with stores that keep none, the MD5 in the ETag.
//
// Google's XML interface has other names for the same (kGoogle), and one thing less: what makes an
// object of parts takes no condition there, and would replace what came meanwhile. So every object
// goes up in one request, whatever its size.
//
// The memo is JSON: {"upload": id of the multipart upload, "part_bytes": n}.
//
// Threading: thread-safe; a part is sent by a thread of its own.
#ifndef SLUICE_SRC_UPLOAD_S3_BUCKET_H_
#define SLUICE_SRC_UPLOAD_S3_BUCKET_H_

#include <atomic>
#include <memory>
#include <string>

#include "upload/open_bucket.h"
#include "upload/parts.h"
#include "upload/s3_client.h"

namespace sluice::upload {

class S3Bucket final : public Bucket {
 public:
  static Result<std::unique_ptr<Bucket>> open(const std::string& bucket,
                                              const BucketOptions& options,
                                              const Dialect& dialect = kAmazon);

  Attempt put(const std::string& name, const Source& source, std::string_view memo,
              const Progress& progress) override;
  std::optional<Attempt> same(const std::string& name, const Source& source) override;
  Attempt forget(const std::string& name, std::string_view memo) override;

 private:
  friend class S3Multipart;
  S3Bucket(std::unique_ptr<S3Client> client, const BucketOptions& options)
      : client_(std::move(client)), options_(options) {}
  Attempt put_whole(const std::string& name, const Source& source, const Progress& progress);
  // What is there now is what we sent: kStored, else why not.
  Attempt verified(const std::string& name, const Source& source);
  // After an answer that there is one already.
  Attempt in_the_way(const std::string& name, const Source& source);
  std::optional<Attempt> compared(const net::Answer& head, const Source& source) const;
  net::Answer ask_for(const std::string& name, const std::stop_token& stop = {});
  // "x-amz-meta-sluice-part-bytes" and the like.
  [[nodiscard]] std::string metadata_header(const std::string& name) const;
  // Content type, metadata, and what same() needs later.
  std::vector<std::pair<std::string, std::string>> object_headers(const Source& source,
                                                                  u64 part_bytes) const;

  std::unique_ptr<S3Client> client_;
  const BucketOptions options_;
  // The store refused If-None-Match as something that it does not know. Relaxed: nothing else
  // hangs on it, and whoever sees it late is refused once more.
  std::atomic<bool> knows_no_condition_{false};
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_S3_BUCKET_H_
