#include "append_server/units.h"

#include "append/protocol.h"

namespace sluice::append_server {
namespace {

u32 size_at(std::string_view bytes) {
  u32 size = 0;
  for (int i = 3; i >= 0; --i) size = size << 8 | u8(bytes[std::size_t(i)]);
  return size;
}

}  // namespace

std::size_t whole_lines(std::string_view bytes) {
  const std::size_t end = bytes.rfind('\n');
  return end == std::string_view::npos ? 0 : end + 1;
}

Records whole_records(std::string_view bytes) {
  Records records;
  while (bytes.size() - records.bytes >= sizeof(u32)) {
    const std::string_view rest = bytes.substr(records.bytes);
    const u32 size = size_at(rest);
    records.too_long = size > append::kRecordSizeMax;
    if (records.too_long || rest.size() - sizeof(u32) < size) break;
    records.contents.push_back(rest.substr(sizeof(u32), size));
    records.bytes += sizeof(u32) + size;
  }
  return records;
}

}  // namespace sluice::append_server
