// Lines of an upload log that anybody may have written, and URLs and names that become objects: any
// bytes give a value or a message, and what is accepted is safe to use.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/crc32c.h"
#include "upload/destination.h"
#include "upload/upload_log.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// With the checksum that it should have, so that what is behind it is reached.
std::string checked(std::string_view payload) {
  char crc[10];
  std::snprintf(crc, sizeof crc, "%08x ", sluice::crc32c(payload.data(), payload.size()));
  return std::string(crc) + std::string(payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::upload;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  LogLines lines;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    (void)lines.add(line);
    (void)lines.add(checked(line));
    if (line.size() > 9) (void)lines.add(checked(line.substr(9)));
  }
  for (const auto& [object, entry] : lines.entries()) {
    require(!entry.file.name.empty() && entry.file.name.find('/') == std::string::npos);
    require(!entry.done || entry.memo.empty());
  }
  const std::string_view url = text.substr(0, text.find('\n'));
  const std::string_view name = text.substr(std::min(size, url.size() + 1));
  const auto destination = Destination::parse(url, {});
  if (!destination.ok()) {
    require(!destination.status().message().empty());
    return 0;
  }
  for (const Layout layout : {Layout::kFlat, Layout::kHive}) {
    const auto object = destination.value().object_for(layout, name, 0);
    if (!object.ok()) continue;
    require(object.value().size() <= kObjectBytesMax && !object.value().starts_with('/'));
    require(("/" + object.value() + "/").find("/../") == std::string::npos);
    const std::string key = destination.value().key_of(object.value());
    require(destination.value().object_of(key) == object.value());
  }
  return 0;
}
