#include "upload/gcs_credentials.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "os/process.h"
#include "upload/gcs_object.h"
#include "upload/secret_file.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

constexpr u32 kMetadataTimeoutMs = 3000;  // it is beside this machine or nowhere
constexpr u32 kTokenTimeoutMs = 30'000;
constexpr i64 kEarly = 300;  // seconds before its end at which a token is renewed
constexpr i64 kMost = 86400;
constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr const char* kTokenUri = "https://oauth2.googleapis.com/token";

i64 monotonic_seconds() { return os::monotonic_ns() / 1'000'000'000; }

Status unusable(const std::string& why) { return {ErrorClass::kDisableSink, why}; }

// A form that answers with a token may go to https only, or nowhere but this machine.
bool is_safe(const std::string& url) {
  const auto parts = url_parts(url);
  return parts && (parts->scheme == "https" || is_loopback(parts->host));
}

net::Request form_to(const std::string& url) {
  const auto parts = url_parts(url);
  net::Request request{.method = "POST", .url = url};
  request.headers = {"Content-Type: application/x-www-form-urlencoded"};
  request.direct = parts && is_loopback(parts->host);
  return request;
}

}  // namespace

Result<GcsKey> parse_gcs_key(std::string_view untrusted_json) {
  const auto json = nlohmann::json::parse(untrusted_json, nullptr, false);
  if (!json.is_object()) return unusable("it is no JSON object");
  const std::string type = text_in(json, "type");
  std::string uri = text_in(json, "token_uri");
  if (uri.empty()) uri = kTokenUri;
  if (!is_safe(uri)) return unusable("its token_uri is not https");
  if (type == "service_account") {
    ServiceAccount account{text_in(json, "client_email"), text_in(json, "private_key_id"),
                           text_in(json, "private_key"), uri};
    if (account.email.empty() || account.private_key.empty()) {
      return unusable("client_email or private_key is missing in it");
    }
    return GcsKey(std::move(account));
  }
  if (type == "authorized_user") {
    RefreshToken user{text_in(json, "client_id"), text_in(json, "client_secret"),
                      text_in(json, "refresh_token"), uri};
    if (user.client_id.empty() || user.token.empty()) {
      return unusable("client_id or refresh_token is missing in it");
    }
    return GcsKey(std::move(user));
  }
  return unusable("its type is neither service_account nor authorized_user");
}

Result<GcsLease> parse_gcs_lease(std::string_view untrusted_json) {
  const auto json = nlohmann::json::parse(untrusted_json, nullptr, false);
  if (!json.is_object()) return Status(ErrorClass::kRetryable, "the answer is no JSON object");
  GcsLease lease{text_in(json, "access_token"), 0};
  if (const auto at = json.find("expires_in"); at != json.end() && at->is_number_integer()) {
    lease.seconds = std::clamp<i64>(at->get<i64>(), 0, kMost);
  }
  const bool printable = std::all_of(lease.token.begin(), lease.token.end(),
                                     [](char c) { return c > ' ' && c <= '~'; });
  if (lease.token.empty() || !printable) {
    return Status(ErrorClass::kRetryable, "the answer has no access_token");
  }
  return lease;
}

GcsCredentials::GcsCredentials(Source source, net::HttpOptions options)
    : source_(std::move(source)), http_(std::move(options)) {}

GcsCredentials::GcsCredentials(std::string fixed_token) : GcsCredentials(Fixed{}, {}) {
  token_ = std::move(fixed_token);
}

GcsCredentials::GcsCredentials(GcsKey key, const std::string& ca_file)
    : GcsCredentials(std::visit([](auto& one) { return Source(std::move(one)); }, key),
                     {.timeout_ms = kTokenTimeoutMs, .ca_file = ca_file}) {}

Result<std::unique_ptr<GcsCredentials>> GcsCredentials::from_environment(
    const std::string& ca_file) {
  if (std::string token = os::environment("GOOGLE_OAUTH_ACCESS_TOKEN"); !token.empty()) {
    return std::make_unique<GcsCredentials>(std::move(token));
  }
  std::string path = os::environment("GOOGLE_APPLICATION_CREDENTIALS");
  const bool named = !path.empty();
  if (!named) {
    const std::string config = os::environment("CLOUDSDK_CONFIG");
    path = (config.empty() ? os::environment("HOME") + "/.config/gcloud" : config) +
           "/application_default_credentials.json";
  }
  const auto text = read_secret_file(path);
  if (!text.ok() && named) return text.status();
  if (!text.ok()) {
    return std::unique_ptr<GcsCredentials>(
        new GcsCredentials(Metadata{}, {.timeout_ms = kMetadataTimeoutMs}));
  }
  auto key = parse_gcs_key(text.value());
  if (!key.ok()) return unusable(path + ": " + key.status().message());
  return std::make_unique<GcsCredentials>(std::move(key.value()), ca_file);
}

Result<std::string> GcsCredentials::token(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<Fixed>(source_)) return token_;
  if (token_.empty() || expires_ - kEarly <= monotonic_seconds()) {
    auto lease = fetch(stop);
    if (!lease.ok()) {
      // A token that ends soon is better than none.
      if (!token_.empty() && expires_ > monotonic_seconds()) return token_;
      return lease.status();
    }
    token_ = std::move(lease.value().token);
    expires_ = monotonic_seconds() + lease.value().seconds;
  }
  return token_;
}

bool GcsCredentials::refused(const std::string& token) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<Fixed>(source_)) return false;
  if (token_ == token) token_.clear();
  return true;
}

Result<net::Request> GcsCredentials::request() const {
  if (const auto* account = std::get_if<ServiceAccount>(&source_)) {
    const auto jwt = signed_jwt(*account, kScope, os::wall_seconds());
    if (!jwt.ok()) return jwt.status();
    net::Request form = form_to(account->token_uri);
    form.body.text =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + jwt.value();
    return form;
  }
  if (const auto* user = std::get_if<RefreshToken>(&source_)) {
    net::Request form = form_to(user->token_uri);
    form.body.text = "grant_type=refresh_token&client_id=" + url_encoded(user->client_id) +
                     "&client_secret=" + url_encoded(user->client_secret) +
                     "&refresh_token=" + url_encoded(user->token);
    return form;
  }
  const std::string host = os::environment("GCE_METADATA_HOST");
  net::Request get{.url = "http://" + (host.empty() ? "metadata.google.internal" : host) +
                          "/computeMetadata/v1/instance/service-accounts/default/token"};
  get.headers = {"Metadata-Flavor: Google"};
  get.direct = true;
  return get;
}

Result<GcsLease> GcsCredentials::fetch(const std::stop_token& stop) {
  auto wanted = request();
  if (!wanted.ok()) return wanted.status();
  net::Request& ask = wanted.value();
  ask.stop = stop;
  const net::Answer answer = http_.send(ask);
  const bool metadata = std::holds_alternative<Metadata>(source_);
  const std::string who =
      metadata ? "no credentials for Google Cloud Storage in GOOGLE_APPLICATION_CREDENTIALS, and "
                 "the metadata server"
               : "asking for a token";
  if (answer.end == net::Answer::End::kAnswered && answer.status == 200) {
    return parse_gcs_lease(answer.body);
  }
  const bool later = answer.end == net::Answer::End::kStopped ||
                     (answer.end == net::Answer::End::kFailed && !metadata) ||
                     answer.status >= 500 || answer.status == 429;
  return Status(
      later ? ErrorClass::kRetryable : ErrorClass::kDisableSink,
      who + ": " + (answer.error.empty() ? "HTTP " + std::to_string(answer.status) : answer.error));
}

}  // namespace sluice::upload
