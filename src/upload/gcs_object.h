// What Google Cloud Storage says about its objects, in JSON. The texts are untrusted.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_GCS_OBJECT_H_
#define SLUICE_SRC_UPLOAD_GCS_OBJECT_H_

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::upload {

// A text that an object has under that name; empty when there is none.
[[nodiscard]] std::string text_in(const nlohmann::json& untrusted, const char* name);

struct GcsObject {
  std::string name;
  std::string crc32c;      // base64
  std::string generation;  // a number; names this content for ever
  u64 size = 0;
  std::map<std::string, std::string> metadata = {};
};
[[nodiscard]] std::optional<GcsObject> parse_gcs_object(std::string_view untrusted_json);

struct GcsPage {
  std::vector<GcsObject> objects;
  std::string next;  // the token of the next page; empty: this is the last
};
[[nodiscard]] std::optional<GcsPage> parse_gcs_page(std::string_view untrusted_json);

// error.message; empty when there is none.
[[nodiscard]] std::string parse_gcs_error(std::string_view untrusted_json);

// "bytes=0-41": 42 bytes are there. No value: it is no such range.
[[nodiscard]] std::optional<u64> parse_gcs_range(std::string_view untrusted);

// What the memo holds: a resumable session, or the id of the parts.
struct GcsUpload {
  std::string session;  // a URL that needs no credentials: a secret
  std::string parts;    // 16 hexadecimal digits
  u64 part_bytes = 0;

  [[nodiscard]] std::string memo() const;
  [[nodiscard]] static std::optional<GcsUpload> parse(std::string_view memo);
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_GCS_OBJECT_H_
