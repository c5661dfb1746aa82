// A small HTTP/1.1 server for pages that are made on request: GET and HEAD, no bodies.
//
// A request is answered only if its Host (and its Origin, if it has one) is a name of this machine:
// a page of the web whose name was made to point here gets nothing (DNS rebinding). Where other
// machines may connect, hosts are free and a token is required instead. Bounded are the size of a
// request's head, the time from one answer to the end of the next head, the time that the client
// takes to read, and the connections; when these are used up the one that is idle longest is
// closed.
//
// Threading: one thread of its own, which calls `answer`; stats() and stop() from any. Failure:
// whatever a client does costs that client its connection.
#ifndef SLUICE_SRC_COLLECTOR_HTTP_SERVER_H_
#define SLUICE_SRC_COLLECTOR_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace sluice::collector {

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  // Of a path without its query.
  using Answer = std::function<HttpAnswer(std::string_view path)>;

  struct Options {
    int listener = -1;       // a listening TCP socket; closed by the server, also when it fails
    bool any_host = false;   // other machines may connect
    std::string token = {};  // what `Authorization: Bearer` must bear; empty: nothing
    Answer answer;
    std::size_t connections_max = 64;
    u32 head_bytes_max = 8192;
    i64 idle_ns_max = 10'000'000'000;  // for a head, and for the reading of an answer
  };
  struct Stats {
    u64 connections = 0;  // now
    u64 accepted = 0;     // connections, ever
    u64 answered = 0;     // requests
    u64 refused = 0;      // requests: host, origin, token, method, no HTTP
    u64 timed_out = 0;    // connections
    u64 displaced = 0;    // connections, closed to make room
    u64 accept_failed = 0;
  };

  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(Options options);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] Stats stats() const;
  // From the next request on.
  void set_token(std::string token);
  // True if the thread has done something asked for since the last call, or was not asked yet. Call
  // it now and then; never blocks.
  [[nodiscard]] bool gets_on();
  // Closes all connections and waits, until deadline_ns (CLOCK_MONOTONIC), for the thread. 1 if it
  // is left in an answer that does not come, else 0.
  u64 stop(u64 deadline_ns);

 private:
  struct State;
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// "localhost", "127.0.0.1:9464", "[::1]".
[[nodiscard]] bool names_this_machine(std::string_view untrusted_host);
// The same of "http://localhost:3000".
[[nodiscard]] bool comes_from_this_machine(std::string_view untrusted_origin);
// Takes as long whatever the texts have in common.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_HTTP_SERVER_H_
