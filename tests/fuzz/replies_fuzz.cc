// What a server of the append protocol sends: however it is cut, the same messages come out, each
// without a zero and no longer than one may be, and a client hears none after it has had enough.
//
// Input: u8 (bytes at a time, less one), u8 (after how many messages it has had enough), the bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "append/message_reader.h"

using sluice::append::kMessageSizeMax;
using sluice::append::MessageReader;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  std::vector<std::string> messages;
  bool whole = true;

  [[nodiscard]] bool operator==(const Read&) const = default;
};

Read read(std::string_view bytes, std::size_t piece, std::size_t enough) {
  MessageReader reader;
  Read all;
  while (!bytes.empty() && all.whole && all.messages.size() < enough) {
    all.whole = reader.add(bytes.substr(0, piece), [&](std::string_view message) {
      must(all.messages.size() < enough);
      must(message.size() <= kMessageSizeMax && message.find('\0') == message.npos);
      all.messages.emplace_back(message);
      return all.messages.size() < enough;
    });
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t piece = std::size_t(data[0]) + 1;
  const std::size_t enough = std::size_t(data[1]) + 1;
  const Read whole = read(bytes, bytes.size(), enough);
  must(whole == read(bytes, piece, enough));

  std::string again;
  for (const std::string& message : whole.messages) again += message + '\0';
  must(bytes.starts_with(again));
  return 0;
}
