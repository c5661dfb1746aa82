// What a service account of Google signs to be given a token (RFC 7519 and 7523): RS256 by the
// private key in its JSON file.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_JWT_H_
#define SLUICE_SRC_UPLOAD_JWT_H_

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::upload {

struct ServiceAccount {
  std::string email;
  std::string key_id;
  std::string private_key;  // PEM
  std::string token_uri;
};

// The assertion, good for an hour from `now` (seconds since 1970). kDisableSink: the key is of no
// use.
Result<std::string> signed_jwt(const ServiceAccount& account, std::string_view scope, i64 now);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_JWT_H_
