#include "upload/open_bucket.h"

#include <array>

#include "os/process.h"
#include "upload/gcs_bucket.h"
#include "upload/s3_bucket.h"
#include "upload/url_text.h"

namespace sluice::upload {

std::string endpoint_of(std::string_view url, const std::string& given) {
  const bool s3 = url.starts_with("s3://");
  if (!s3 && !url.starts_with("gs://")) return {};
  std::string endpoint = given;
  const auto names = s3 ? std::array{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}
                        : std::array{"STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"};
  for (const char* name : names) {
    if (endpoint.empty()) endpoint = os::environment(name);
  }
  if (endpoint.empty()) return {};
  return endpoint_url(endpoint, s3 ? "https" : "http").value_or(endpoint);
}

Result<std::unique_ptr<Bucket>> open_bucket(const std::string& url, const BucketOptions& options) {
  const auto parts = url_parts(url);
  if (parts && (parts->scheme == "s3" || (parts->scheme == "gs" && options.google_hmac))) {
    return S3Bucket::open(parts->authority, options, parts->scheme == "s3" ? kAmazon : kGoogle);
  }
  if (parts && parts->scheme == "gs") return GcsBucket::open(parts->authority, options);
  return Status(ErrorClass::kDisableSink, url + ": not a gs://, s3:// or file:// URL");
}

}  // namespace sluice::upload
