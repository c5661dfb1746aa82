#include "upload/s3_credentials.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "os/process.h"
#include "upload/secret_file.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

constexpr u32 kMetadataTimeoutMs = 2000;  // it is on this machine or nowhere
constexpr i64 kEarly = 300;               // seconds before the end at which keys are renewed

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string first_set(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = os::environment(name); !value.empty()) return value;
  }
  return {};
}

std::string aws_file(const char* variable, const char* name) {
  const std::string path = os::environment(variable);
  return path.empty() ? os::environment("HOME") + "/.aws/" + name : path;
}

std::string profile_name() {
  const std::string name = first_set({"AWS_PROFILE", "AWS_DEFAULT_PROFILE"});
  return name.empty() ? "default" : name;
}

std::map<std::string, std::string> profile_in(const std::string& path) {
  const auto text = read_secret_file(path);
  if (!text.ok()) return {};
  IniFile file = parse_ini(text.value());
  return std::move(file[profile_name()]);
}

// Seconds since 1970 of "2026-01-02T03:04:05Z"; 0 when it is none.
i64 parse_time(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute,
                  &second) != 6 ||
      month < 1 || month > 12 || year < 1970) {
    return 0;
  }
  const i64 y = month <= 2 ? year - 1 : year;
  const i64 day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const i64 days = y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
  return days * 86400 + hour * 3600 + minute * 60 + second;
}

Status not_served(const std::string& who, const net::Answer& answer) {
  const bool later =
      answer.end == net::Answer::End::kFailed || answer.status >= 500 || answer.status == 429;
  return {later ? ErrorClass::kRetryable : ErrorClass::kDisableSink,
          who + " gives no keys: " +
              (answer.error.empty() ? "HTTP " + std::to_string(answer.status) : answer.error)};
}

bool is_ok(const net::Answer& answer) {
  return answer.end == net::Answer::End::kAnswered && answer.status == 200;
}

}  // namespace

IniFile parse_ini(std::string_view text) {
  IniFile file;
  std::map<std::string, std::string>* section = nullptr;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      const std::size_t close = line.find(']');
      if (close == std::string_view::npos) continue;
      std::string_view name = trimmed(line.substr(1, close - 1));
      if (name.starts_with("profile ")) name = trimmed(name.substr(8));
      section = &file[std::string(name)];
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || section == nullptr) continue;
    (*section)[std::string(trimmed(line.substr(0, equals)))] = trimmed(line.substr(equals + 1));
  }
  return file;
}

std::string s3_region_from_environment() {
  const std::string set = first_set({"AWS_REGION", "AWS_DEFAULT_REGION"});
  return set.empty() ? profile_in(aws_file("AWS_CONFIG_FILE", "config"))["region"] : set;
}

Result<S3Lease> parse_s3_lease(std::string_view untrusted_json) {
  const auto json = nlohmann::json::parse(untrusted_json, nullptr, false);
  const auto text = [&json](const char* name) {
    const auto at = json.find(name);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  if (!json.is_object()) return Status(ErrorClass::kRetryable, "no JSON object");
  S3Lease lease{{text("AccessKeyId"), text("SecretAccessKey"), text("Token")},
                parse_time(text("Expiration"))};
  if (lease.keys.id.empty() || lease.keys.secret.empty()) {
    return Status(ErrorClass::kRetryable, "no AccessKeyId and SecretAccessKey");
  }
  return lease;
}

S3Credentials::S3Credentials(S3Keys fixed) : S3Credentials(Source::kFixed) {
  lease_.keys = std::move(fixed);
}

S3Credentials::S3Credentials(Source source)
    : source_(source), http_({.timeout_ms = kMetadataTimeoutMs, .ca_file = {}}) {}

Result<std::unique_ptr<S3Credentials>> S3Credentials::from_environment() {
  S3Keys keys{os::environment("AWS_ACCESS_KEY_ID"), os::environment("AWS_SECRET_ACCESS_KEY"),
              os::environment("AWS_SESSION_TOKEN")};
  if (keys.id.empty() != keys.secret.empty()) {
    return Status(ErrorClass::kDisableSink,
                  "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set: set both or none");
  }
  const std::string path = aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
  if (keys.id.empty()) {
    for (const std::string& file : {path, aws_file("AWS_CONFIG_FILE", "config")}) {
      auto profile = profile_in(file);
      if (!profile["aws_access_key_id"].empty() && !profile["aws_secret_access_key"].empty()) {
        keys = {profile["aws_access_key_id"], profile["aws_secret_access_key"],
                profile["aws_session_token"]};
        break;
      }
    }
  }
  if (!keys.id.empty()) return std::make_unique<S3Credentials>(std::move(keys));
  const bool container =
      !first_set({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"})
           .empty();
  if (!container && os::environment("AWS_EC2_METADATA_DISABLED") == "true") {
    return Status(ErrorClass::kDisableSink,
                  "no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them "
                  "under [" +
                      profile_name() + "] into " + path);
  }
  return std::unique_ptr<S3Credentials>(
      new S3Credentials(container ? Source::kContainer : Source::kInstance));
}

Result<S3Keys> S3Credentials::keys(const std::stop_token& stop) {
  const std::lock_guard lock(mutex_);
  if (source_ == Source::kFixed) return lease_.keys;
  const bool good = !lease_.keys.id.empty() &&
                    (lease_.expires == 0 || lease_.expires - kEarly > os::wall_seconds());
  if (!good) {
    auto fetched = fetch(stop);
    if (!fetched.ok()) {
      // Keys that end soon are better than none.
      if (!lease_.keys.id.empty() && lease_.expires > os::wall_seconds()) return lease_.keys;
      return fetched.status();
    }
    lease_ = std::move(fetched.value());
  }
  return lease_.keys;
}

void S3Credentials::refused(const S3Keys& keys) {
  const std::lock_guard lock(mutex_);
  if (source_ != Source::kFixed && lease_.keys.id == keys.id) lease_ = {};
}

Result<S3Lease> S3Credentials::fetch(const std::stop_token& stop) {
  return source_ == Source::kContainer ? fetch_from_container(stop) : fetch_from_instance(stop);
}

// The addresses that the AWS tools take: the agent's own, or https, or this machine.
Result<S3Lease> S3Credentials::fetch_from_container(const std::stop_token& stop) {
  const std::string relative = os::environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url = relative.empty() ? os::environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                           : "http://169.254.170.2" + relative;
  const auto parts = url_parts(url);
  if (!parts || (parts->scheme != "https" && !is_loopback(parts->host) &&
                 parts->host != "169.254.170.2" && parts->host != "169.254.170.23")) {
    return Status(ErrorClass::kDisableSink,
                  "AWS_CONTAINER_CREDENTIALS_FULL_URI: neither https nor an address of this "
                  "machine");
  }
  net::Request request{.url = url, .stop = stop, .direct = true};
  std::string token = os::environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string file = os::environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      token.empty() && !file.empty()) {
    auto text = read_secret_file(file);
    if (!text.ok()) return text.status();
    token = trimmed(text.value());
  }
  if (!token.empty()) request.headers.push_back("Authorization: " + token);
  const net::Answer answer = http_.send(request);
  if (!is_ok(answer)) return not_served("the container's agent", answer);
  return parse_s3_lease(answer.body);
}

// Version 2 of the metadata service: a token first, by PUT, so that nobody is tricked into asking.
Result<S3Lease> S3Credentials::fetch_from_instance(const std::stop_token& stop) {
  std::string base = os::environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  while (base.ends_with('/')) base.pop_back();
  if (base.empty()) base = "http://169.254.169.254";
  const std::string who = "no keys for S3 in variables or files, and the metadata server of EC2";
  const net::Answer token = http_.send({.method = "PUT",
                                        .url = base + "/latest/api/token",
                                        .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 21600"},
                                        .stop = stop,
                                        .direct = true});
  if (!is_ok(token)) return not_served(who, token);
  const std::string url = base + "/latest/meta-data/iam/security-credentials/";
  const std::vector<std::string> headers = {"X-aws-ec2-metadata-token: " +
                                            std::string(trimmed(token.body))};
  const net::Answer role =
      http_.send({.url = url, .headers = headers, .stop = stop, .direct = true});
  if (!is_ok(role)) return not_served(who, role);
  const std::string name(trimmed(std::string_view(role.body).substr(0, role.body.find('\n'))));
  const net::Answer answer = http_.send(
      {.url = url + url_encoded(name), .headers = headers, .stop = stop, .direct = true});
  if (!is_ok(answer)) return not_served(who, answer);
  return parse_s3_lease(answer.body);
}

}  // namespace sluice::upload
