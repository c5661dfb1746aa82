// Signature Version 4, by which S3 and stores like it know who asks: "Signing requests" in the
// documentation of AWS, "Authenticating requests: authorization header".
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
// x-amz-security-token where there is one, and authorization.
[[nodiscard]] std::vector<std::string> sigv4_headers(const Signing& request, const S3Keys& keys,
                                                     std::string_view region,
                                                     std::string_view date);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_SIGV4_H_
