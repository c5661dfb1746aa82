// Signed requests to one bucket of S3 or of a store that speaks its language.
//
// Threading: thread-safe.
#ifndef SLUICE_SRC_UPLOAD_S3_CLIENT_H_
#define SLUICE_SRC_UPLOAD_S3_CLIENT_H_

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "upload/answers.h"
#include "upload/open_bucket.h"
#include "upload/s3_credentials.h"

namespace sluice::upload {

struct S3Call {
  std::string method = "GET";
  std::string key = {};  // empty: the bucket itself
  std::vector<std::pair<std::string, std::string>> query = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  net::Body body = {};
  std::string sha256 = {};  // of the body, raw; empty: it is a text, or nothing
  u32 answer_ms = 0;
  std::stop_token stop = {};
  std::function<void(u64)> sent = {};
};

class S3Client {
 public:
  // Host names and regions are checked here: kDisableSink.
  static Result<std::unique_ptr<S3Client>> open(const std::string& bucket,
                                                const BucketOptions& options,
                                                const Dialect& dialect = kAmazon);

  // One request; again, once, when the store says that the clock, the region or temporary keys were
  // wrong and how to do better. A status of credentials that cannot be had is in `error`.
  [[nodiscard]] net::Answer send(const S3Call& call);
  [[nodiscard]] const Dialect& dialect() const { return dialect_; }
  [[nodiscard]] bool is_google() const { return google_; }
  // The attempt that ended with this answer, which is no success.
  [[nodiscard]] Attempt failed(const net::Answer& answer, const std::string& doing) const;
  [[nodiscard]] static Said said(const net::Answer& answer);

 private:
  S3Client(std::string bucket, const BucketOptions& options, const Dialect& dialect);
  Status find_endpoint(const BucketOptions& options);
  net::Answer send_once(const S3Call& call, const S3Keys& keys);
  bool learn(const S3Call& call, const net::Answer& answer, const S3Keys& keys);
  std::string authority(const std::string& region) const;

  const std::string bucket_;
  const Dialect dialect_;
  const bool google_;
  net::Http http_;
  std::unique_ptr<S3Credentials> credentials_;
  std::string scheme_ = "https";
  std::string endpoint_;  // authority of an endpoint that was given; empty: of AWS
  bool bucket_in_host_ = false;
  bool direct_ = false;

  mutable std::mutex mutex_;
  std::string region_;
  i64 clock_ahead_s_ = 0;             // of the store's clock to ours
  std::vector<std::string> secrets_;  // what no message may have
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_S3_CLIENT_H_
