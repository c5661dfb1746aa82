// Where messages go that no file keeps: syslog and journald, on sockets.
//
// An absent receiver, a full one and one that goes away are all the same to the caller: a retryable
// status, and the same message again. A datagram is sent whole or not at all; of a message on a
// TCP connection that breaks, the whole is sent again on the next one. What the kernel had taken
// and the peer has not acknowledged when a connection broke may be lost, and so may datagrams that
// UDP refuses only afterwards: take_report() says it.
//
// A message that is too long for a datagram goes to journald in a file in memory; to syslog it is
// cut, with a mark at its end, and that is said once.
//
// Threading: single-owner. Blocking: at most kWaitNs for a receiver that takes nothing.
#ifndef SLUICE_SRC_SINK_RECEIVER_H_
#define SLUICE_SRC_SINK_RECEIVER_H_

#include <string>
#include <string_view>
#include <utility>

#include "back/sink.h"
#include "os/io.h"
#include "os/tcp_socket.h"

namespace sluice::sink {

// What is wrong with the place that a syslog or journald sink names.
[[nodiscard]] Status check_receiver(const back::SinkConfig& config);

class Receiver {
 public:
  static constexpr i64 kWaitNs = 100'000'000;
  static constexpr std::size_t kShortestMax = 480;  // RFC 5424, 6.1: what everybody must take

  // check_receiver() must have found nothing wrong. `io` must outlive it.
  Receiver(const back::SinkConfig& config, os::Io& io);
  ~Receiver() { close(); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // Call again with the same message after a failure.
  [[nodiscard]] Status send(std::string_view message);
  // Something that stopped nothing; empty: nothing.
  [[nodiscard]] std::string take_report() { return std::exchange(report_, {}); }

 private:
  enum class Way : u8 { kDatagram, kJournal, kUdp, kTcp };

  [[nodiscard]] int connect();
  [[nodiscard]] int send_once(std::string_view message);
  [[nodiscard]] int send_datagram(std::string_view message);
  [[nodiscard]] int send_in_memory(std::string_view message);
  [[nodiscard]] int send_framed(std::string_view message);
  // Until `socket_` can be written; -EAGAIN when it cannot be for too long.
  [[nodiscard]] int wait();
  void close();

  os::Io& io_;
  const std::string place_;
  Way way_;
  os::Endpoint endpoint_;
  int socket_ = -1;
  std::size_t longest_ = ~std::size_t{0};  // that a datagram can be
  std::string frame_;                      // a TCP message under way, with its length in front
  std::size_t sent_ = 0;                   // of it
  bool refused_before_ = false;            // and that has been said
  std::string report_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_RECEIVER_H_
