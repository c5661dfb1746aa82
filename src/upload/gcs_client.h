// Requests to one bucket of Google Cloud Storage by its JSON interface.
//
// The token goes to the endpoint and nowhere else; without TLS it goes to no other machine.
//
// Threading: thread-safe.
#ifndef SLUICE_SRC_UPLOAD_GCS_CLIENT_H_
#define SLUICE_SRC_UPLOAD_GCS_CLIENT_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "upload/answers.h"
#include "upload/gcs_credentials.h"
#include "upload/gcs_object.h"
#include "upload/open_bucket.h"

namespace sluice::upload {

class GcsClient {
 public:
  // kDisableSink: a name, an endpoint or credentials of no use.
  static Result<std::unique_ptr<GcsClient>> open(const std::string& bucket,
                                                 const BucketOptions& options);

  // `request.url` is the target at the endpoint, "/storage/v1/b/...". Once again with another token
  // after a 401.
  [[nodiscard]] net::Answer send(net::Request request);
  // To a session's whole URL, which needs no token. is_ours() before.
  [[nodiscard]] net::Answer send_to_session(net::Request request);
  [[nodiscard]] bool is_ours(const std::string& session) const;

  // "/storage/v1/b/BUCKET/o/NAME" and "/upload/storage/v1/b/BUCKET/o?name=NAME&uploadType=...".
  [[nodiscard]] std::string object(const std::string& name) const;
  [[nodiscard]] std::string objects() const;
  [[nodiscard]] std::string upload(const std::string& name, const std::string& type) const;

  [[nodiscard]] Attempt failed(const net::Answer& answer, const std::string& doing,
                               const std::string& session = {}) const;

 private:
  GcsClient(std::string bucket, const BucketOptions& options);
  Status find_endpoint(const BucketOptions& options);

  const std::string bucket_;
  net::Http http_;
  std::unique_ptr<GcsCredentials> credentials_;  // null: an emulator, which is sent none
  std::string endpoint_ = "https://storage.googleapis.com";
  bool direct_ = false;

  mutable std::mutex mutex_;
  std::string secret_;  // the token that was sent last
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_CLIENT_H_
