// Splits what a server sends into its messages, however they arrive: several at once, or in parts.
//
// Threading: single-owner. Failure: add() says so when a message does not end.
#ifndef SLUICE_SRC_APPEND_MESSAGE_READER_H_
#define SLUICE_SRC_APPEND_MESSAGE_READER_H_

#include <string>
#include <string_view>

#include "append/protocol.h"

namespace sluice::append {

class MessageReader {
 public:
  // Calls `each(message)` for every message that is whole now, until it returns false. False when
  // one is longer than any can be.
  template <class Each>
  [[nodiscard]] bool add(std::string_view untrusted, const Each& each) {
    for (;;) {
      const std::size_t end = untrusted.find('\0');
      const std::string_view part = untrusted.substr(0, end);
      if (part_.size() + part.size() > kMessageSizeMax) return false;
      part_ += part;
      if (end == std::string_view::npos) return true;
      untrusted.remove_prefix(end + 1);
      const std::string message = std::move(part_);
      part_.clear();
      if (!each(std::string_view(message))) return true;
    }
  }

 private:
  std::string part_;
};

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_MESSAGE_READER_H_
