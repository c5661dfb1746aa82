// Signature Version 4, by which S3 and stores like it know who asks: "Signing requests" in the
// documentation of AWS, "Authenticating requests: authorization header". Google's XML interface has
// the same with other names ("V4 signing process with HMAC keys").
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_SIGV4_H_
#define SLUICE_SRC_UPLOAD_SIGV4_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace sluice::upload {

struct S3Keys {
  std::string id;
  std::string secret;
  std::string session;  // token of temporary keys, or empty
};

struct Dialect {
  std::string_view algorithm = "AWS4-HMAC-SHA256";
  std::string_view key = "AWS4";  // stands before the secret
  std::string_view service = "s3";
  std::string_view end = "aws4_request";
  std::string_view prefix = "x-amz-";  // of headers
};
inline constexpr Dialect kAmazon;
inline constexpr Dialect kGoogle = {"GOOG4-HMAC-SHA256", "GOOG4", "storage", "goog4_request",
                                    "x-goog-"};

struct Signing {
  std::string method = {};
  std::string host = {};                                          // as in "Host:"
  std::string path = {};                                          // encoded, from the slash on
  std::vector<std::pair<std::string, std::string>> query = {};    // not encoded
  std::vector<std::pair<std::string, std::string>> headers = {};  // besides host and x-amz-date
  std::string payload_sha256 = {};                                // hex, or UNSIGNED-PAYLOAD
};

// "20260102T030405Z" of a time since 1970.
[[nodiscard]] std::string amz_date(i64 seconds);

// "a=1&b=" with everything encoded, in the order that is signed.
[[nodiscard]] std::string canonical_query(std::vector<std::pair<std::string, std::string>> query);

// The headers to send: those of `request`, host excepted, x-amz-date, x-amz-content-sha256,
// x-amz-security-token where there is one (or what the dialect has for them), and authorization.
[[nodiscard]] std::vector<std::string> sigv4_headers(const Signing& request, const S3Keys& keys,
                                                     std::string_view region, std::string_view date,
                                                     const Dialect& dialect = kAmazon);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_SIGV4_H_
