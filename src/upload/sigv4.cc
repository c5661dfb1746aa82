#include "upload/sigv4.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "upload/digest.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return text;
}

std::string signing_key(const S3Keys& keys, std::string_view day, std::string_view region,
                        const Dialect& dialect) {
  const std::string by_day = hmac_sha256(std::string(dialect.key) + keys.secret, day);
  return hmac_sha256(hmac_sha256(hmac_sha256(by_day, region), dialect.service), dialect.end);
}

}  // namespace

std::string amz_date(i64 seconds) {
  // Days since 1970 into the civil calendar: eras of 400 years that begin on a first of March.
  const i64 days = seconds / 86400 + 719468;
  const i64 rest = seconds % 86400;
  const i64 era = days / 146097;
  const i64 day_of_era = days % 146097;
  const i64 year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const i64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const i64 shifted = (5 * day_of_year + 2) / 153;
  const i64 day = day_of_year - (153 * shifted + 2) / 5 + 1;
  const i64 month = shifted < 10 ? shifted + 3 : shifted - 9;
  const i64 year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof text, "%04lld%02lld%02lldT%02lld%02lld%02lldZ", (long long)year,
                (long long)month, (long long)day, (long long)(rest / 3600),
                (long long)(rest / 60 % 60), (long long)(rest % 60));
  return text;
}

std::string canonical_query(std::vector<std::pair<std::string, std::string>> query) {
  for (auto& [name, value] : query) {
    name = url_encoded(name);
    value = url_encoded(value);
  }
  std::sort(query.begin(), query.end());
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    out += name + '=' + value;
  }
  return out;
}

std::vector<std::string> sigv4_headers(const Signing& request, const S3Keys& keys,
                                       std::string_view region, std::string_view date,
                                       const Dialect& dialect) {
  const std::string prefix(dialect.prefix);
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) headers[lower_case(name)] = value;
  headers["host"] = request.host;
  headers[prefix + "date"] = date;
  headers[prefix + "content-sha256"] = request.payload_sha256;
  if (!keys.session.empty()) headers[prefix + "security-token"] = keys.session;

  std::string names, listed;
  for (const auto& [name, value] : headers) {
    names += (names.empty() ? "" : ";") + name;
    listed += name + ':' + value + '\n';
  }
  const std::string canonical = request.method + '\n' + request.path + '\n' +
                                canonical_query(request.query) + '\n' + listed + '\n' + names +
                                '\n' + request.payload_sha256;
  const std::string day(date.substr(0, 8));
  const std::string algorithm(dialect.algorithm);
  const std::string scope = day + '/' + std::string(region) + '/' + std::string(dialect.service) +
                            '/' + std::string(dialect.end);
  const std::string to_sign =
      algorithm + '\n' + std::string(date) + '\n' + scope + '\n' + hex(sha256(canonical));
  const std::string signature = hex(hmac_sha256(signing_key(keys, day, region, dialect), to_sign));

  std::vector<std::string> out;
  for (const auto& [name, value] : headers) {
    if (name != "host") out.push_back(name + ": " + value);
  }
  out.push_back("authorization: " + algorithm + " Credential=" + keys.id + '/' + scope +
                ",SignedHeaders=" + names + ",Signature=" + signature);
  return out;
}

}  // namespace sluice::upload
