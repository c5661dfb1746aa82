// The one file that includes Boost.Beast, behind collector/http_server.h.
#include "collector/http_server.h"

// One thread runs the handlers, and what others hand it passes a mutex: fences around each handler
// order nothing, and ThreadSanitizer does not know them.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "os/child.h"
#include "os/process.h"
#include "os/tcp_socket.h"

namespace sluice::collector {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Request = http::request<http::empty_body>;

constexpr auto kAcceptPause = std::chrono::milliseconds(100);

class Session;

// What the sessions share. Of the server's thread, but for what `mutex` guards.
struct Shared {
  HttpServer::Options options;
  std::list<Session*> by_idleness;  // the longest first
  std::mutex mutex;                 // over what follows
  std::string token;
  HttpServer::Stats stats;
  bool ping_sent = false;
  bool ping_came = false;
  bool ended = false;
  std::condition_variable end;

  void count(u64 HttpServer::Stats::*what, u64 by = 1) {
    const std::lock_guard lock(mutex);
    stats.*what += by;
  }
  [[nodiscard]] std::string current_token() {
    const std::lock_guard lock(mutex);
    return token;
  }
};

// One connection. Lives as long as something is to come for it, or `close()`.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Shared> shared, tcp::socket socket)
      : shared_(std::move(shared)),
        stream_(std::move(socket)),
        buffer_(shared_->options.head_bytes_max) {
    place_ = shared_->by_idleness.insert(shared_->by_idleness.end(), this);
    shared_->count(&HttpServer::Stats::connections);
  }
  ~Session() {
    shared_->by_idleness.erase(place_);
    shared_->count(&HttpServer::Stats::connections, u64(-1));
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(shared_->options.head_bytes_max);
    stream_.expires_after(std::chrono::nanoseconds(shared_->options.idle_ns_max));
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
  }

  void close() {
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  void on_read(error_code error) {
    if (!error) return answer(parser_->get());
    if (error == beast::error::timeout) return shared_->count(&HttpServer::Stats::timed_out);
    // The client has gone, or somebody has closed the connection: there is nobody to tell.
    if (error.category() != make_error_code(http::error::bad_method).category()) return;
    if (error == http::error::end_of_stream || error == http::error::partial_message) return;
    const bool too_long =
        error == http::error::header_limit || error == http::error::buffer_overflow;
    Request none;
    none.keep_alive(false);
    refuse(none,
           too_long ? http::status::request_header_fields_too_large : http::status::bad_request,
           too_long ? "the head of the request is too long\n" : "this is no request\n");
  }

  void answer(const Request& request) {
    const HttpServer::Options& options = shared_->options;
    if (request.count(http::field::host) != 1) {
      return refuse(request, http::status::bad_request, "a Host header is wanted, once\n");
    }
    const auto origin = request.find(http::field::origin);
    if (!options.any_host &&
        (!names_this_machine(text_of(request[http::field::host])) ||
         (origin != request.end() && !comes_from_this_machine(text_of(origin->value()))))) {
      return refuse(request, http::status::forbidden,
                    "only names of this machine are answered, such as localhost\n");
    }
    const std::string token = shared_->current_token();
    if (!token.empty() &&
        !same_secret(text_of(request[http::field::authorization]), "Bearer " + token)) {
      return refuse(request, http::status::unauthorized,
                    "a token is wanted: Authorization: Bearer TOKEN\n");
    }
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      return refuse(request, http::status::method_not_allowed, "there is only GET and HEAD\n");
    }
    const std::string_view target = text_of(request.target());
    HttpAnswer made = options.answer(target.substr(0, target.find('?')));
    shared_->count(&HttpServer::Stats::answered);
    send(request, http::int_to_status(made.status), made.content_type, std::move(made.body));
  }

  void refuse(const Request& request, http::status status, std::string body) {
    shared_->count(&HttpServer::Stats::refused);
    send(request, status, "text/plain; charset=utf-8", std::move(body));
  }

  void send(const Request& request, http::status status, const std::string& type,
            std::string body) {
    const bool keep = request.keep_alive();
    const auto fill = [&](auto& response) {
      response.result(status);
      response.set(http::field::content_type, type);
      response.set(http::field::cache_control, "no-store");
      response.set("X-Content-Type-Options", "nosniff");
      if (status == http::status::method_not_allowed) response.set(http::field::allow, "GET, HEAD");
      if (status == http::status::unauthorized) {
        response.set(http::field::www_authenticate, "Bearer");
      }
      response.keep_alive(keep);
      response.content_length(body.size());
    };
    http::response<http::string_body> response;
    fill(response);
    if (request.method() == http::verb::head) {
      http::response<http::empty_body> head;
      fill(head);
      return write(http::message_generator(std::move(head)), keep);
    }
    response.body() = std::move(body);
    write(http::message_generator(std::move(response)), keep);
  }

  void write(http::message_generator message, bool keep) {
    stream_.expires_after(std::chrono::nanoseconds(shared_->options.idle_ns_max));
    beast::async_write(stream_, std::move(message),
                       [self = shared_from_this(), keep](error_code error, std::size_t) {
                         self->on_written(error, keep);
                       });
  }

  void on_written(error_code error, bool keep) {
    if (error == beast::error::timeout) shared_->count(&HttpServer::Stats::timed_out);
    if (error) return;
    if (!keep) {
      stream_.socket().shutdown(tcp::socket::shutdown_send, error);
      return;
    }
    auto& order = shared_->by_idleness;
    order.splice(order.end(), order, place_);
    read();
  }

  static std::string_view text_of(beast::string_view text) { return {text.data(), text.size()}; }

  const std::shared_ptr<Shared> shared_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::list<Session*>::iterator place_;
};

bool is_port(std::string_view text) {
  if (text.empty()) return true;
  if (text[0] != ':' || text.size() > 6) return false;
  return text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

struct HttpServer::State {
  explicit State(Options options) : acceptor(io), pause(io) {
    shared->token = options.token;
    shared->options = std::move(options);
  }

  void accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        // No descriptor, say: until some connection ends, accepting would fail at once again.
        shared->count(&Stats::accept_failed);
        pause.expires_after(kAcceptPause);
        return pause.async_wait([this](error_code stopped) {
          if (!stopped) accept();
        });
      }
      shared->count(&Stats::accepted);
      if (shared->by_idleness.size() >= shared->options.connections_max) {
        shared->count(&Stats::displaced);
        shared->by_idleness.front()->close();
      }
      std::make_shared<Session>(shared, std::move(socket))->read();
      accept();
    });
  }

  void run() {
    os::block_signals();
    os::set_thread_name("sluice-http");
    accept();
    io.run();
    const std::lock_guard lock(shared->mutex);
    shared->ended = true;
    shared->end.notify_all();
  }

  // Before `io`, which outlives the sessions that it holds.
  const std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  asio::io_context io{1};
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::thread thread;
};

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
  stop(u64(os::monotonic_ns()) + u64(state_->shared->options.idle_ns_max));
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options) {
  int listener = options.listener;
  std::shared_ptr<State> state;
  error_code error;
  try {
    state = std::make_shared<State>(std::move(options));
    state->acceptor.assign(tcp::v4(), listener, error);
  } catch (const boost::system::system_error& failed) {  // no descriptor for its poll
    error = failed.code();
  }
  if (error) {
    os::close_descriptor(listener);
    return Status(ErrorClass::kRetryable, "cannot serve HTTP: " + error.message());
  }
  state->thread = std::thread([state] { state->run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::Stats HttpServer::stats() const {
  const std::lock_guard lock(state_->shared->mutex);
  return state_->shared->stats;
}

void HttpServer::set_token(std::string token) {
  const std::lock_guard lock(state_->shared->mutex);
  state_->shared->token = std::move(token);
}

bool HttpServer::gets_on() {
  const auto& shared = state_->shared;
  {
    const std::lock_guard lock(shared->mutex);
    if (shared->ping_sent && !shared->ping_came) return false;
    shared->ping_sent = true;
    shared->ping_came = false;
  }
  asio::post(state_->io, [shared] {
    const std::lock_guard lock(shared->mutex);
    shared->ping_came = true;
  });
  return true;
}

u64 HttpServer::stop(u64 deadline_ns) {
  if (!state_->thread.joinable()) return 0;
  const auto& shared = state_->shared;
  asio::post(state_->io, [state = state_.get()] {
    error_code ignored;
    state->acceptor.close(ignored);
    state->pause.cancel();
    for (Session* const session : state->shared->by_idleness) session->close();
    state->io.stop();
  });
  std::unique_lock lock(shared->mutex);
  const i64 left = std::max<i64>(i64(deadline_ns) - os::monotonic_ns(), 0);
  if (shared->end.wait_for(lock, std::chrono::nanoseconds(left), [&] { return shared->ended; })) {
    lock.unlock();
    state_->thread.join();
    return 0;
  }
  // It has a share of the state, and ends with the process.
  state_->thread.detach();
  return 1;
}

bool names_this_machine(std::string_view host) {
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  const std::size_t colon = host.starts_with('[')
                                ? (bracket == std::string_view::npos ? bracket : bracket + 1)
                                : host.find(':');
  const std::string_view name = host.substr(0, colon);
  if (name.empty() || (colon < host.size() && !is_port(host.substr(colon)))) return false;
  const Result<os::Endpoint> endpoint = os::parse_endpoint(std::string(name) + ":0");
  return endpoint.ok() && endpoint.value().loopback;
}

bool comes_from_this_machine(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && names_this_machine(origin.substr(scheme + 3));
}

bool same_secret(std::string_view a, std::string_view b) {
  unsigned differ = a.size() == b.size() ? 0U : 1U;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differ |= u8(a[i]) ^ (b.empty() ? 0U : u8(b[i % b.size()]));
  }
  return differ == 0;
}

}  // namespace sluice::collector
