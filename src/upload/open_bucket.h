// From a URL to the bucket behind it.
#ifndef SLUICE_SRC_UPLOAD_OPEN_BUCKET_H_
#define SLUICE_SRC_UPLOAD_OPEN_BUCKET_H_

#include <memory>
#include <string>
#include <string_view>

#include "upload/bucket.h"

namespace sluice::upload {

struct BucketOptions {
  u64 part_bytes = u64{32} << 20;  // larger objects go up in parts of so much
  u32 parts_at_once = 4;           // of one object
  u32 timeout_ms = 30'000;         // an attempt ends after so long without progress
  std::string endpoint;            // in place of the store's own: "http://127.0.0.1:9000"
  std::string ca_file;             // certificates to trust in place of the system's (PEM)
  bool google_hmac = false;        // gs:// by the XML interface, with HMAC keys
};

// The endpoint of that bucket: the one that is given, else the one in the environment, as
// SCHEME://AUTHORITY where it is one; empty: the store's own.
std::string endpoint_of(std::string_view url, const std::string& given);

// `url`: gs://bucket, s3://bucket or file:///directory; what follows the bucket is not looked at.
// Reads the environment and files with credentials, the endpoint too; does not talk to the store.
// kDisableSink: the URL, the options or the credentials are of no use, and the message says what
// would be.
Result<std::unique_ptr<Bucket>> open_bucket(const std::string& url, const BucketOptions& options);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_OPEN_BUCKET_H_
