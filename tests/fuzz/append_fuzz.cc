// What clients of the append service send: the greeting in pieces of any size gives one answer,
// cuts are within the bytes, and an error's text is one message.
#include <cstdlib>
#include <string>

#include "append_server/greeting.h"
#include "append_server/python_error.h"
#include "append_server/units.h"

using sluice::append_server::Greeting;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

Greeting greeted(std::string_view bytes, std::size_t piece) {
  Greeting greeting;
  std::size_t at = 0;
  while (at < bytes.size() && !greeting.done() && greeting.error().empty()) {
    const std::size_t taken = greeting.take(bytes.substr(at, piece));
    must(taken > 0 && taken <= bytes.size() - at);
    at += taken;
  }
  return greeting;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Greeting whole = greeted(bytes, bytes.size());
  const Greeting pieces = greeted(bytes, std::size_t(data[0]) + 1);
  must(whole.done() == pieces.done() && whole.error() == pieces.error());
  if (whole.done()) must(whole.path() == pieces.path() && whole.path().starts_with('/'));
  must(whole.error().find('\0') == std::string::npos);

  const std::size_t lines = sluice::append_server::whole_lines(bytes);
  must(lines <= bytes.size() && (lines == 0 || bytes[lines - 1] == '\n'));
  const sluice::append_server::Records records = sluice::append_server::whole_records(bytes);
  std::size_t with_sizes = 0;
  for (const std::string_view record : records.contents) with_sizes += record.size() + 4;
  must(with_sizes == records.bytes && records.bytes <= bytes.size());

  const std::string text = sluice::append_server::python_repr(bytes);
  must(text.size() >= 2 && text.front() == text.back());
  for (const char c : text) must(std::uint8_t(c) >= 0x20 && c != 0x7f);
  return 0;
}
