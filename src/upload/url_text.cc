#include "upload/url_text.h"

#include "base/bytes.h"

namespace sluice::upload {
namespace {

bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string url_encoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    if (is_plain(c) || (keep_slashes && c == '/')) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[u8(c) >> 4];
      out += "0123456789ABCDEF"[u8(c) & 15];
    }
  }
  return out;
}

std::optional<UrlParts> url_parts(std::string_view url) {
  for (const char c : url) {
    if (u8(c) <= ' ' || u8(c) >= 0x7f) return std::nullopt;
  }
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  UrlParts parts;
  for (const char c : url.substr(0, colon)) {
    if (!is_plain(c)) return std::nullopt;
    parts.scheme += c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
  }
  const std::string_view behind = url.substr(colon + 3);
  const std::size_t end = behind.find_first_of("/?#");
  parts.authority = behind.substr(0, end);
  if (end != std::string_view::npos) parts.rest = behind.substr(end);
  if (parts.authority.empty() || parts.authority.find('@') != std::string::npos) {
    return std::nullopt;
  }
  const bool bracket = parts.authority.front() == '[';
  const std::size_t host_end = bracket ? parts.authority.find(']') : parts.authority.find(':');
  if (bracket && host_end == std::string::npos) return std::nullopt;
  parts.host = parts.authority.substr(0, bracket ? host_end + 1 : host_end);
  if (parts.host.empty()) return std::nullopt;
  return parts;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

std::optional<std::string> endpoint_url(std::string_view text, std::string_view scheme) {
  std::string url(text);
  if (url.find("://") == std::string::npos) url = std::string(scheme) + "://" + url;
  const auto parts = url_parts(url);
  if (!parts || (parts->scheme != "http" && parts->scheme != "https") ||
      (parts->rest != "" && parts->rest != "/")) {
    return std::nullopt;
  }
  return parts->scheme + "://" + parts->authority;
}

}  // namespace sluice::upload
