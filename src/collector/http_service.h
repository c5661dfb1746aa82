// The daemon's pages as a service: where it listens, who may ask, what it counts.
//
// Threading: as Service; apply_token() by the thread that reloads.
#ifndef SLUICE_SRC_COLLECTOR_HTTP_SERVICE_H_
#define SLUICE_SRC_COLLECTOR_HTTP_SERVICE_H_

#include <memory>
#include <string>

#include "collector/http_server.h"
#include "collector/service.h"
#include "collector/settings.h"

namespace sluice::collector {

class HttpService final : public Service {
 public:
  // `listener`: passed by the service manager, or -1: it listens where the configuration says.
  [[nodiscard]] static Result<std::unique_ptr<HttpService>> make(const ServeConfig& config,
                                                                 int listener);
  ~HttpService() override;

  // Nothing is answered before.
  [[nodiscard]] Status start(HttpServer::Answer answer);
  void set_token(std::string token);
  [[nodiscard]] u16 port() const { return port_; }

  [[nodiscard]] std::string_view name() const override { return "http"; }
  [[nodiscard]] std::vector<Figure> figures() const override;
  [[nodiscard]] bool gets_on() override;
  [[nodiscard]] u64 stop(u64 deadline_ns) override;

 private:
  HttpService() = default;

  HttpServer::Options options_;
  u16 port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_HTTP_SERVICE_H_
