#include "upload/answers.h"

#include <algorithm>

#include "upload/url_text.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kShownMax = 300;

// Codes of S3 that mean: the same request may succeed later, whatever the status says.
bool is_passing(std::string_view code) {
  for (const std::string_view known :
       {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted",
        "ConditionalRequestConflict", "BadDigest", "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch", "IncompleteBody", "RequestTimeTooSkewed", "ExpiredToken"}) {
    if (code == known) return true;
  }
  return false;
}

Outcome outcome_of(const net::Answer& answer, std::string_view code) {
  switch (answer.end) {
    case net::Answer::End::kStopped:
      return Outcome::kStopped;
    case net::Answer::End::kFailed:
      return Outcome::kRetry;
    case net::Answer::End::kImpossible:
      return Outcome::kRefused;
    case net::Answer::End::kAnswered:
      break;
  }
  const int status = answer.status;
  if (is_passing(code)) return Outcome::kRetry;
  if (status == 501 || status == 505) return Outcome::kRefused;
  if (status == 307 || status == 408 || status == 429 || status >= 500) return Outcome::kRetry;
  return Outcome::kRefused;
}

std::string help_for(const net::Answer& answer) {
  switch (answer.status) {
    case 401:
    case 403:
      return "; the credentials do not allow it";
    case 404:
      return "; is the name of the bucket right?";
    default:
      break;
  }
  if (answer.status >= 300 && answer.status < 400) {
    const std::string* to = answer.header("location");
    const auto parts = to != nullptr ? url_parts(*to) : std::nullopt;
    return "; redirects are not followed" +
           (parts ? " (to " + shown(parts->authority, {}) + ")" : std::string()) +
           ": give the endpoint itself";
  }
  return {};
}

}  // namespace

std::string shown(std::string_view untrusted, const std::vector<std::string>& secrets) {
  std::string text(untrusted.substr(0, std::size_t{1} << 16));
  for (const std::string& secret : secrets) {
    if (secret.size() < 4) continue;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos;) {
      text.replace(at, secret.size(), "***");
      at += 3;
    }
  }
  // A secret that was cut at the end of what is shown would be shown in part: strike out first.
  if (text.size() > kShownMax) text.resize(kShownMax);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return text;
}

Attempt failed_attempt(const net::Answer& answer, std::string_view doing, const Said& said,
                       const std::vector<std::string>& secrets) {
  Attempt out;
  out.outcome = outcome_of(answer, said.code);
  out.sent = answer.sent;
  out.why = std::string(doing) + ": ";
  if (answer.end != net::Answer::End::kAnswered) {
    out.why += shown(answer.error, secrets);
    return out;
  }
  out.wait_ms = answer.retry_after_ms();
  out.why += "HTTP " + std::to_string(answer.status);
  for (const std::string& text : {said.code, said.message}) {
    if (!text.empty()) out.why += ", " + shown(text, secrets);
  }
  if (out.outcome == Outcome::kRefused) out.why += help_for(answer);
  return out;
}

Attempt attempt(const Status& status) {
  return attempt(
      status.error_class() == ErrorClass::kRetryable ? Outcome::kRetry : Outcome::kRefused,
      status.message());
}

}  // namespace sluice::upload
