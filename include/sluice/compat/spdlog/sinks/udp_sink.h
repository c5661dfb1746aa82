// spdlog's header of this name, over Sluice: a datagram a line.
#ifndef SLUICE_COMPAT_SPDLOG_SINKS_UDP_SINK_H_
#define SLUICE_COMPAT_SPDLOG_SINKS_UDP_SINK_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sluice/compat/spdlog.h"

namespace spdlog {
inline namespace sluice_shim {

namespace sinks {

struct udp_sink_config {
  udp_sink_config(std::string host, std::uint16_t port)
      : server_host(std::move(host)), server_port(port) {}
  std::string server_host;  // an IPv4 address
  std::uint16_t server_port;
};

template <class Mutex>
class udp_sink final : public base_sink<Mutex> {
 public:
  explicit udp_sink(const udp_sink_config& config)
      : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (socket_ < 0) details::raise(spdlog_ex("cannot make a UDP socket", errno));
    to_.sin_family = AF_INET;
    to_.sin_port = htons(config.server_port);
    if (::inet_pton(AF_INET, config.server_host.c_str(), &to_.sin_addr) != 1) {
      ::close(socket_);
      details::raise(spdlog_ex("no IPv4 address: " + config.server_host));
    }
  }
  ~udp_sink() override { ::close(socket_); }

 protected:
  void sink_it_(const details::log_msg& record) override {
    memory_buf_t line;
    base_sink<Mutex>::formatter_->format(record, line);
    if (::sendto(socket_, line.data(), line.size(), 0, reinterpret_cast<const sockaddr*>(&to_),
                 sizeof to_) < 0) {
      details::raise(spdlog_ex("cannot send a datagram", errno));
    }
  }
  void flush_() override {}

 private:
  const int socket_;
  sockaddr_in to_{};
};

using udp_sink_mt = udp_sink<std::mutex>;
using udp_sink_st = udp_sink<details::null_mutex>;

}  // namespace sinks

template <class Factory = synchronous_factory>
std::shared_ptr<logger> udp_logger_mt(const std::string& name,
                                      const sinks::udp_sink_config& config) {
  return Factory::template create<sinks::udp_sink_mt>(name, config);
}
template <class Factory = synchronous_factory>
std::shared_ptr<logger> udp_logger_st(const std::string& name,
                                      const sinks::udp_sink_config& config) {
  return Factory::template create<sinks::udp_sink_st>(name, config);
}

}  // namespace sluice_shim
}  // namespace spdlog

#endif  // SLUICE_COMPAT_SPDLOG_SINKS_UDP_SINK_H_
