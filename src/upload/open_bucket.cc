#include "upload/open_bucket.h"

namespace sluice::upload {

Result<std::unique_ptr<Bucket>> open_bucket(const std::string& url, const BucketOptions&) {
  return Status(ErrorClass::kDisableSink, url + ": not a gs://, s3:// or file:// URL");
}

}  // namespace sluice::upload
