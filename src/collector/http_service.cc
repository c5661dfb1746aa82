#include "collector/http_service.h"

#include <cerrno>

#include "collector/token_file.h"
#include "os/child.h"
#include "os/io.h"
#include "os/service_manager.h"
#include "os/tcp_socket.h"

namespace sluice::collector {
namespace {

constexpr int kBacklog = 128;

}  // namespace

Result<std::unique_ptr<HttpService>> HttpService::make(const ServeConfig& config, int listener) {
  Result<std::string> token = read_token(config.http_token_file);
  if (!token.ok()) return token.status();
  if (listener < 0) {
    const Result<os::Endpoint> endpoint = os::parse_endpoint(config.http_listen);
    if (!endpoint.ok()) return fatal("http.listen: " + endpoint.status().message());
    listener = os::listen_tcp(endpoint.value(), kBacklog);
    if (listener < 0) {
      return Status(ErrorClass::kRetryable,
                    "http.listen: cannot listen on " + config.http_listen + ": " +
                        os::error_text(listener) +
                        (listener == -EADDRINUSE ? "; stop who does, or use another port" : ""),
                    -listener);
    }
  }
  std::unique_ptr<HttpService> service(new HttpService);
  const os::ListenerInfo info = os::listener_info(listener);
  service->port_ = info.port;
  service->options_.listener = listener;
  service->options_.any_host = !info.loopback;
  service->options_.token = std::move(token.value());
  if (info.kind != os::ListenerInfo::kTcp) {
    return fatal("the socket named http that was passed is no listening TCP socket");
  }
  if (!info.loopback && service->options_.token.empty()) {
    return fatal(
        "the socket named http that was passed is open to other machines; "
        "set http.token_file, or listen on 127.0.0.1");
  }
  return service;
}

HttpService::~HttpService() { os::close_descriptor(options_.listener); }

Status HttpService::start(HttpServer::Answer answer) {
  HttpServer::Options options = options_;
  options.answer = std::move(answer);
  options_.listener = -1;  // the server's now
  auto server = HttpServer::start(std::move(options));
  if (!server.ok()) return server.status();
  server_ = std::move(server.value());
  return {};
}

void HttpService::set_token(std::string token) {
  if (server_) server_->set_token(std::move(token));
}

std::vector<Figure> HttpService::figures() const {
  const HttpServer::Stats stats = server_->stats();
  return {{"connections", Figure::kGauge, stats.connections, "Connections now."},
          {"connections_total", Figure::kCounter, stats.accepted, "Connections that were made."},
          {"requests_total", Figure::kCounter, stats.answered, "Requests, by what became of them.",
           "outcome", "answered"},
          {"requests_total", Figure::kCounter, stats.refused, "", "outcome", "refused"},
          {"timeouts_total", Figure::kCounter, stats.timed_out,
           "Connections closed because the client was too slow."},
          {"displaced_total", Figure::kCounter, stats.displaced,
           "Idle connections closed to make room for others."},
          {"accept_failures_total", Figure::kCounter, stats.accept_failed,
           "Times that a connection could not be accepted."}};
}

bool HttpService::gets_on() { return server_->gets_on(); }

u64 HttpService::stop(u64 deadline_ns) { return server_ ? server_->stop(deadline_ns) : 0; }

}  // namespace sluice::collector
