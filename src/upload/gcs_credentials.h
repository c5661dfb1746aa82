// Where tokens for Google Cloud Storage come from, in this order: GOOGLE_OAUTH_ACCESS_TOKEN; the
// file in GOOGLE_APPLICATION_CREDENTIALS, or what `gcloud auth application-default login` left (a
// service account's key, or a user's refresh token); the metadata server of the machine.
//
// Threading: GcsCredentials is thread-safe.
#ifndef SLUICE_SRC_UPLOAD_GCS_CREDENTIALS_H_
#define SLUICE_SRC_UPLOAD_GCS_CREDENTIALS_H_

#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <variant>

#include "base/status.h"
#include "net/http.h"
#include "upload/jwt.h"

namespace sluice::upload {

struct RefreshToken {
  std::string client_id;
  std::string client_secret;
  std::string token;
  std::string token_uri;
};
using GcsKey = std::variant<ServiceAccount, RefreshToken>;
// kDisableSink: what is wrong with the file; never a value in it.
Result<GcsKey> parse_gcs_key(std::string_view untrusted_json);

struct GcsLease {
  std::string token;
  i64 seconds = 0;  // how long it is good
};
Result<GcsLease> parse_gcs_lease(std::string_view untrusted_json);

class GcsCredentials {
 public:
  // `ca_file`: as in BucketOptions.
  static Result<std::unique_ptr<GcsCredentials>> from_environment(const std::string& ca_file);
  explicit GcsCredentials(std::string fixed_token);
  GcsCredentials(GcsKey key, const std::string& ca_file);

  // Asks for another when it ends within five minutes. May block on the network.
  Result<std::string> token(const std::stop_token& stop);
  // The store did not take it: ask again before the next request. False: there is no other.
  bool refused(const std::string& token);

 private:
  struct Fixed {};
  struct Metadata {};
  using Source = std::variant<Fixed, Metadata, ServiceAccount, RefreshToken>;
  GcsCredentials(Source source, net::HttpOptions options);
  Result<GcsLease> fetch(const std::stop_token& stop);
  Result<net::Request> request() const;

  const Source source_;
  net::Http http_;
  std::mutex mutex_;  // over what follows, also while asking: one asks, the others wait for it
  std::string token_;
  i64 expires_ = 0;  // seconds of the monotonic clock
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_CREDENTIALS_H_
