#include "upload/gcs_client.h"

#include "os/process.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

bool is_bucket_name(std::string_view text) {
  return text.size() >= 3 && text.size() <= 222 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") ==
             std::string_view::npos;
}

}  // namespace

GcsClient::GcsClient(std::string bucket, const BucketOptions& options)
    : bucket_(std::move(bucket)),
      http_({.timeout_ms = options.timeout_ms, .ca_file = options.ca_file}) {}

Result<std::unique_ptr<GcsClient>> GcsClient::open(const std::string& bucket,
                                                   const BucketOptions& options) {
  if (!is_bucket_name(bucket)) {
    return Status(ErrorClass::kDisableSink, "gs://" + bucket + ": no name of a bucket");
  }
  std::unique_ptr<GcsClient> client(new GcsClient(bucket, options));
  if (Status status = client->find_endpoint(options); !status.ok()) return status;
  // Without TLS everybody on the way would have the token: such an endpoint is an emulator.
  if (client->endpoint_.starts_with("https://")) {
    auto credentials = GcsCredentials::from_environment(options.ca_file);
    if (!credentials.ok()) return credentials.status();
    client->credentials_ = std::move(credentials.value());
  }
  return client;
}

Status GcsClient::find_endpoint(const BucketOptions& options) {
  const std::string given = endpoint_of("gs://" + bucket_, options.endpoint);
  if (given.empty()) return {};
  const auto url = endpoint_url(given, "http");
  if (!url) {
    return {ErrorClass::kDisableSink,
            "the endpoint of Google Cloud Storage is not "
            "http[s]://HOST[:PORT]"};
  }
  endpoint_ = *url;
  direct_ = is_loopback(url_parts(*url)->host);
  return {};
}

bool GcsClient::is_ours(const std::string& session) const {
  return session.starts_with(endpoint_ + '/') && url_parts(session).has_value();
}

std::string GcsClient::objects() const { return "/storage/v1/b/" + bucket_ + "/o"; }

std::string GcsClient::object(const std::string& name) const {
  return objects() + '/' + url_encoded(name);
}

std::string GcsClient::upload(const std::string& name, const std::string& type) const {
  return "/upload" + objects() + "?uploadType=" + type + "&name=" + url_encoded(name) +
         "&ifGenerationMatch=0";
}

net::Answer GcsClient::send_to_session(net::Request request) {
  request.direct = direct_;
  return http_.send(request);
}

net::Answer GcsClient::send(net::Request request) {
  request.url = endpoint_ + request.url;
  request.direct = direct_;
  if (!credentials_) return http_.send(request);
  const std::vector<std::string> headers = request.headers;
  for (bool again = true;; again = false) {
    const auto token = credentials_->token(request.stop);
    if (!token.ok()) {
      net::Answer none;
      none.error = token.status().message();
      none.end = token.status().error_class() == ErrorClass::kRetryable
                     ? net::Answer::End::kFailed
                     : net::Answer::End::kImpossible;
      return none;
    }
    {
      const std::lock_guard lock(mutex_);
      secret_ = token.value();
    }
    request.headers = headers;
    request.headers.push_back("Authorization: Bearer " + token.value());
    net::Answer answer = http_.send(request);
    const bool unauthorized = answer.end == net::Answer::End::kAnswered && answer.status == 401;
    if (!again || !unauthorized || !credentials_->refused(token.value())) return answer;
  }
}

Attempt GcsClient::failed(const net::Answer& answer, const std::string& doing,
                          const std::string& session) const {
  std::vector<std::string> secrets = {session};
  // The part of a session's URL that makes it one.
  if (const std::size_t id = session.find("upload_id="); id != std::string::npos) {
    secrets.push_back(session.substr(id + 10));
  }
  const std::lock_guard lock(mutex_);
  secrets.push_back(secret_);
  return failed_attempt(answer, doing, {"", parse_gcs_error(answer.body)}, secrets);
}

}  // namespace sluice::upload
