// Texts of URLs: what is encoded, how, and where one is taken apart. Threading: plain functions.
#ifndef SLUICE_SRC_UPLOAD_URL_TEXT_H_
#define SLUICE_SRC_UPLOAD_URL_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace sluice::upload {

// Everything but A-Z a-z 0-9 - . _ ~ as %XX; slashes stay with `keep_slashes`.
[[nodiscard]] std::string url_encoded(std::string_view text, bool keep_slashes = false);

struct UrlParts {
  std::string scheme;     // lower case
  std::string authority;  // host, or host:port, as it travels in "Host:"
  std::string host;       // without port
  std::string rest;       // from the first slash on, perhaps empty
};
// No value: not SCHEME://AUTHORITY[/...], or with a user, anything but printable ASCII in it.
[[nodiscard]] std::optional<UrlParts> url_parts(std::string_view url);

// 127.0.0.1, [::1], localhost: what never leaves this machine.
[[nodiscard]] bool is_loopback(std::string_view host);

// An endpoint as people and variables write it, "127.0.0.1:9000" or "http://host:9000/", as
// SCHEME://AUTHORITY; without a scheme it gets `scheme`. No value: it is none.
[[nodiscard]] std::optional<std::string> endpoint_url(std::string_view text,
                                                      std::string_view scheme);

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_URL_TEXT_H_
