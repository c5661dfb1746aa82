// What a client says first: the path, and before it the extension's field where there is one
// (append/protocol.h). A state machine over bytes, without sockets.
//
// Threading: single-owner. Memory: kPathSizeMax and a little.
#ifndef SLUICE_SRC_APPEND_SERVER_GREETING_H_
#define SLUICE_SRC_APPEND_SERVER_GREETING_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sluice::append_server {

// How the bytes behind the path are meant, and what is said of them.
struct Terms {
  bool extended = false;
  bool records = false;  // DATA is records, each whole in the file or not at all
  bool ack = false;
  bool sync = false;         // before BYE ...
  i64 sync_interval_ms = 0;  // ... and so long after the first byte that is not on the disk; 0: no
};

class Greeting {
 public:
  // Takes bytes up to the end of the path, and says how many. Then done(), or error().
  [[nodiscard]] std::size_t take(std::string_view bytes);
  [[nodiscard]] bool done() const { return done_; }
  // What the client is told; empty: all is well.
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] const std::string& path() const { return field_; }
  [[nodiscard]] const Terms& terms() const { return terms_; }

 private:
  void end_field();
  [[nodiscard]] bool take_option(std::string_view option);

  std::string field_;
  Terms terms_;
  std::string error_;
  bool done_ = false;
};

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_GREETING_H_
