#include "upload/open_bucket.h"

#include "upload/gcs_bucket.h"
#include "upload/s3_bucket.h"
#include "upload/url_text.h"

namespace sluice::upload {

Result<std::unique_ptr<Bucket>> open_bucket(const std::string& url, const BucketOptions& options) {
  const auto parts = url_parts(url);
  if (parts && parts->scheme == "gs") return GcsBucket::open(parts->authority, options);
  if (parts && parts->scheme == "s3") return S3Bucket::open(parts->authority, options);
  return Status(ErrorClass::kDisableSink, url + ": not a gs://, s3:// or file:// URL");
}

}  // namespace sluice::upload
