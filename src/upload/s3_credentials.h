// Where keys for S3 come from, in the order of the AWS tools: AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN), the profile (AWS_PROFILE) in the shared credentials
// file, the container's endpoint (AWS_CONTAINER_CREDENTIALS_*), the metadata server of EC2.
//
// Threading: S3Credentials is thread-safe.
#ifndef SLUICE_SRC_UPLOAD_S3_CREDENTIALS_H_
#define SLUICE_SRC_UPLOAD_S3_CREDENTIALS_H_

#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "base/status.h"
#include "net/http.h"
#include "upload/sigv4.h"

namespace sluice::upload {

// "[name]" sections of "key = value" lines; "#" and ";" begin a comment line. A config file's
// "[profile x]" is x.
using IniFile = std::map<std::string, std::map<std::string, std::string>>;
[[nodiscard]] IniFile parse_ini(std::string_view text);

// The region from AWS_REGION, AWS_DEFAULT_REGION or the profile in the config file; else empty.
[[nodiscard]] std::string s3_region_from_environment();

// Keys in the answer of a metadata server; `expires` in seconds since 1970, 0: not said.
struct S3Lease {
  S3Keys keys;
  i64 expires = 0;
};
Result<S3Lease> parse_s3_lease(std::string_view untrusted_json);

class S3Credentials {
 public:
  // What is in variables and files now; kDisableSink when nothing is there to be used.
  static Result<std::unique_ptr<S3Credentials>> from_environment();
  explicit S3Credentials(S3Keys fixed);

  // Asks the metadata server again when its keys end within five minutes. May block on it.
  Result<S3Keys> keys(const std::stop_token& stop);
  // The store did not take these: ask again before the next request.
  void refused(const S3Keys& keys);

 private:
  enum class Source { kFixed, kContainer, kInstance };
  explicit S3Credentials(Source source);
  Result<S3Lease> fetch(const std::stop_token& stop);
  Result<S3Lease> fetch_from_container(const std::stop_token& stop);
  Result<S3Lease> fetch_from_instance(const std::stop_token& stop);

  const Source source_;
  net::Http http_;
  std::mutex mutex_;  // over the fields below, also while asking: one asks, the others wait for it
  S3Lease lease_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_S3_CREDENTIALS_H_
