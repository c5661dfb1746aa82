// One HTTP request and its answer, over libcurl.
//
// Redirects are never followed (credentials stay with the host they are for), certificates are
// checked, an answer is read up to a bound. A request ends by itself: when less than 1000 bytes a
// second go out over `timeout_ms`, or when the answer is not complete `answer_ms` after the last
// byte of the body.
//
// Threading: an Http may be used by any number of threads at once; connections are kept and used
// again. Writing to a closed TLS connection can raise SIGPIPE: callers have it blocked or ignored.
#ifndef SLUICE_SRC_NET_HTTP_H_
#define SLUICE_SRC_NET_HTTP_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "os/read_at.h"

namespace sluice::net {

// What a request carries: a text, or a range of something that is read as it goes out.
struct Body {
  std::string text = {};
  os::ReadAt read = {};  // on the calling thread
  u64 at = 0;
  u64 size = 0;  // of the range

  [[nodiscard]] u64 bytes() const { return read ? size : text.size(); }
};

struct Request {
  std::string method = "GET";
  std::string url = {};                   // http:// or https://, encoded
  std::vector<std::string> headers = {};  // "Name: value", without line ends
  Body body = {};
  u32 answer_ms = 0;                   // 0: as the timeout of the options
  std::stop_token stop = {};           // ends the request at once
  std::function<void(u64)> sent = {};  // bytes of the body so far, on the calling thread
  std::size_t answer_max = 1 << 20;    // bytes of an answer's body
  bool direct = false;                 // by no proxy, whatever the environment says
};

struct Answer {
  enum class End {
    kAnswered,    // with any status
    kFailed,      // no complete answer: the network, a timeout, an answer out of bounds
    kImpossible,  // will not get better: a malformed URL, a certificate that is not trusted
    kStopped,
  };
  End end = End::kFailed;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; untrusted
  std::string body;                                          // untrusted
  std::string error;  // what went wrong, for a person; no header, no secret
  u64 sent = 0;       // bytes of the body that went out

  // The first header of that name (lower case), or null.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  // What Retry-After asks for, in seconds or as a date, at most an hour; 0: nothing.
  [[nodiscard]] u64 retry_after_ms() const;
};

// Seconds since 1970 of a date in a header; -1 when it is none.
[[nodiscard]] i64 http_date_seconds(const std::string& untrusted);

struct HttpOptions {
  u32 timeout_ms = 30'000;
  std::string ca_file = {};  // in place of the system's
};

class Http {
 public:
  explicit Http(HttpOptions options);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // Blocks until the answer is here or will not come.
  [[nodiscard]] Answer send(const Request& request);

 private:
  class Connection;
  struct Idle;

  HttpOptions options_;
  std::unique_ptr<Idle> idle_;
};

}  // namespace sluice::net

#endif  // SLUICE_SRC_NET_HTTP_H_
