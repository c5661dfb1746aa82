#include "upload/s3_client.h"

#include <algorithm>

#include "os/process.h"
#include "upload/digest.h"
#include "upload/url_text.h"
#include "upload/xml.h"

namespace sluice::upload {
namespace {

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

// The rules of AWS for new buckets; a dot is allowed, but then the name is no part of the host.
bool is_bucket_name(std::string_view text) {
  return text.size() >= 3 && text.size() <= 63 && text.front() != '.' && text.front() != '-' &&
         text.find("..") == std::string_view::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") ==
             std::string_view::npos;
}

}  // namespace

S3Client::S3Client(std::string bucket, const BucketOptions& options, const Dialect& dialect)
    : bucket_(std::move(bucket)),
      dialect_(dialect),
      google_(dialect.service == kGoogle.service),
      http_({.timeout_ms = options.timeout_ms, .ca_file = options.ca_file}) {}

Result<std::unique_ptr<S3Client>> S3Client::open(const std::string& bucket,
                                                 const BucketOptions& options,
                                                 const Dialect& dialect) {
  if (!is_bucket_name(bucket)) {
    return Status(ErrorClass::kDisableSink, "s3://" + bucket + ": no name of a bucket");
  }
  std::unique_ptr<S3Client> client(new S3Client(bucket, options, dialect));
  if (Status status = client->find_endpoint(options); !status.ok()) return status;
  auto credentials = S3Credentials::from_environment();
  if (!credentials.ok()) return credentials.status();
  client->credentials_ = std::move(credentials.value());
  return client;
}

Status S3Client::find_endpoint(const BucketOptions& options) {
  region_ = google_ ? "auto" : s3_region_from_environment();
  if (region_.empty()) region_ = "us-east-1";
  if (!is_region(region_)) return {ErrorClass::kDisableSink, "AWS_REGION: no name of a region"};
  std::string given = endpoint_of((google_ ? "gs://" : "s3://") + bucket_, options.endpoint);
  if (given.empty() && google_) given = "https://storage.googleapis.com";
  bucket_in_host_ = given.empty() && bucket_.find_first_of("._") == std::string::npos;
  if (given.empty()) return {};
  const auto url = endpoint_url(given, "https");
  if (!url) return {ErrorClass::kDisableSink, "the endpoint of S3 is not http[s]://HOST[:PORT]"};
  const auto parts = url_parts(*url);
  scheme_ = parts->scheme;
  endpoint_ = parts->authority;
  direct_ = is_loopback(parts->host);
  return {};
}

std::string S3Client::authority(const std::string& region) const {
  const std::string host = endpoint_.empty() ? "s3." + region + ".amazonaws.com" : endpoint_;
  return bucket_in_host_ ? bucket_ + '.' + host : host;
}

net::Answer S3Client::send_once(const S3Call& call, const S3Keys& keys) {
  std::string region;
  i64 now = os::wall_seconds();
  {
    const std::lock_guard lock(mutex_);
    region = region_;
    now += clock_ahead_s_;
  }
  Signing signing{
      .method = call.method,
      .host = authority(region),
      .path = bucket_in_host_ ? "/" : "/" + bucket_,
      .query = call.query,
      .headers = call.headers,
      .payload_sha256 = hex(call.sha256.empty() ? sha256(call.body.text) : call.sha256)};
  if (!call.key.empty()) {
    if (!bucket_in_host_) signing.path += '/';
    signing.path += url_encoded(call.key, true);
  }
  net::Request request{.method = call.method,
                       .url = scheme_ + "://" + signing.host + signing.path,
                       .headers = sigv4_headers(signing, keys, region, amz_date(now), dialect_),
                       .body = call.body,
                       .answer_ms = call.answer_ms,
                       .stop = call.stop,
                       .sent = call.sent,
                       .direct = direct_};
  if (!call.query.empty()) request.url += '?' + canonical_query(call.query);
  return http_.send(request);
}

net::Answer S3Client::send(const S3Call& call) {
  for (bool again = true;; again = false) {
    const Result<S3Keys> keys = credentials_->keys(call.stop);
    if (!keys.ok()) {
      net::Answer none;
      none.error = keys.status().message();
      none.end = keys.status().error_class() == ErrorClass::kRetryable
                     ? net::Answer::End::kFailed
                     : net::Answer::End::kImpossible;
      return none;
    }
    {
      const std::lock_guard lock(mutex_);
      secrets_ = {keys.value().secret, keys.value().session};
    }
    net::Answer answer = send_once(call, keys.value());
    if (!again || !learn(call, answer, keys.value())) return answer;
  }
}

// True when the same request may do better now.
bool S3Client::learn(const S3Call& call, const net::Answer& answer, const S3Keys& keys) {
  if (answer.end != net::Answer::End::kAnswered || answer.status < 300) return false;
  const Said error = said(answer);
  // The answer to a HEAD has no body that could say it.
  const bool perhaps = call.method == "HEAD" && answer.status == 400;
  if (perhaps || error.code == "ExpiredToken" || error.code == "InvalidToken") {
    credentials_->refused(keys);
    return !keys.session.empty();
  }
  const std::lock_guard lock(mutex_);
  if (error.code == "RequestTimeTooSkewed") {
    const std::string* date = answer.header("date");
    const i64 theirs = date != nullptr ? net::http_date_seconds(*date) : -1;
    if (theirs < 0) return false;
    clock_ahead_s_ = theirs - os::wall_seconds();
    return true;
  }
  // Only the region changes: the host stays one of AWS, or the one that was given.
  std::string region;
  if (const std::string* header = answer.header("x-amz-bucket-region")) region = *header;
  if (region.empty()) region = xml_text(answer.body, "Error/Region");
  if (google_ || !is_region(region) || region == region_) return false;
  region_ = region;
  return true;
}

Said S3Client::said(const net::Answer& answer) {
  return {xml_text(answer.body, "Error/Code"), xml_text(answer.body, "Error/Message")};
}

Attempt S3Client::failed(const net::Answer& answer, const std::string& doing) const {
  const std::lock_guard lock(mutex_);
  return failed_attempt(answer, doing, said(answer), secrets_);
}

}  // namespace sluice::upload
