// Any bytes as the answer of an object store, as a memo, or as a file of credentials: nothing may
// crash or read outside, and what is accepted keeps its promises.
//
// Input: u8 (the reader, modulo their number), the text.
#include <cstdio>
#include <cstdlib>

#include "upload/answers.h"
#include "upload/gcs_credentials.h"
#include "upload/gcs_object.h"
#include "upload/s3_credentials.h"
#include "upload/s3_multipart.h"
#include "upload/url_text.h"
#include "upload/xml.h"

namespace sluice::upload {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void check_xml(std::string_view text) {
  std::string last;
  std::size_t bytes = 0;
  const bool whole = read_xml(text, [&](std::string_view path, const std::string& inner) {
    last = path;
    bytes += inner.size();
  });
  require(bytes <= text.size(), "more text than there was");
  require(!whole || (!last.empty() && last.find('/') == std::string::npos), "no root at the end");
  require(xml_root(text) == (whole ? last : std::string()), "two readings, two roots");
  const std::string again = "<a>" + xml_escaped(text) + "</a>";
  require(xml_text(again, "a") == text, "escaping loses something");
}

void check_parts(std::string_view text) {
  const auto page = parse_part_page(text);
  if (!page) return;
  for (const auto& [number, part] : page->parts) {
    require(number >= 1 && number <= 10'000, "a part's number out of bounds");
  }
}

void check_google(std::string_view text) {
  if (const auto object = parse_gcs_object(text)) {
    require(!object->name.empty() && url_encoded(object->generation) == object->generation,
            "an object that is none");
  }
  (void)parse_gcs_page(text);
  (void)parse_gcs_error(text);
  (void)parse_gcs_range(text);
}

void check_memos(std::string_view text) {
  if (const auto upload = GcsUpload::parse(text)) {
    require(!upload->session.empty() || upload->parts.size() == 16, "a memo of nothing");
    require(GcsUpload::parse(upload->memo()).has_value(), "a memo that does not come back");
  }
  if (const auto upload = S3Upload::parse(text)) {
    require(S3Upload::parse(upload->memo()).has_value(), "a memo that does not come back");
  }
}

void check_credentials(std::string_view text) {
  (void)parse_ini(text);
  (void)parse_s3_lease(text);
  (void)parse_gcs_lease(text);
  (void)parse_gcs_key(text);
}

void check_texts(std::string_view text) {
  const std::string secret = "secret";
  const std::string seen = shown(text, {secret});
  require(seen.size() <= 300 && seen.find(secret) == std::string::npos, "a secret is shown");
  for (const char c : seen) require(c >= ' ' && c <= '~', "a character that is not for people");
  if (const auto parts = url_parts(text)) require(!parts->host.empty(), "a URL without a host");
  (void)net::http_date_seconds(std::string(text.substr(0, text.find('\0'))));
}

}  // namespace
}  // namespace sluice::upload

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace sluice::upload;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  void (*const checks[])(std::string_view) = {check_xml,   check_parts,       check_google,
                                              check_memos, check_credentials, check_texts};
  checks[data[0] % 6](text);
  return 0;
}
