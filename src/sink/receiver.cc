#include "sink/receiver.h"

#include <algorithm>
#include <cerrno>

#include "os/message_socket.h"
#include "os/os_error.h"
#include "os/unix_socket.h"
#include "record/severity.h"

namespace sluice::sink {
namespace {

constexpr std::string_view kUdp = "udp:", kTcp = "tcp:";
constexpr std::string_view kCutMark = " [cut]";

bool is_address(std::string_view place) {
  return place.starts_with(kUdp) || place.starts_with(kTcp);
}

// As much of a message as fits, whole characters, with a mark.
std::string cut(std::string_view message, std::size_t longest) {
  std::size_t end = longest - kCutMark.size();
  while (end > 0 && (u8(message[end]) & 0xc0) == 0x80) --end;
  return std::string(message.substr(0, end)).append(kCutMark);
}

}  // namespace

Status check_receiver(const back::SinkConfig& config) {
  const std::string& place = config.path;
  if (config.facility > kFacilityMax) {
    return fatal("facility " + std::to_string(config.facility) + " is above 23; 1 is \"user\"");
  }
  if (config.kind == SinkKind::syslog && is_address(place)) {
    const auto endpoint = os::parse_endpoint(std::string_view(place).substr(kUdp.size()));
    if (endpoint.ok() && endpoint.value().port != 0) return {};
    return fatal(
        place + ": " +
        (endpoint.ok() ? "port 0 is nobody's; write the receiver's" : endpoint.status().message()));
  }
  if (!os::has_unix_sockets()) {
    return fatal(place + ": a build for Windows sends to no socket; take a file, or a callback");
  }
  if (place.empty() || place[0] != '/') {
    return fatal("\"" + place + "\" is no receiver; write the path of a socket" +
                 (config.kind == SinkKind::syslog
                      ? " such as /dev/log, udp:ADDRESS:PORT or tcp:ADDRESS:PORT"
                      : " such as /run/systemd/journal/socket"));
  }
  if (place.size() < os::kSocketPathSize) return {};
  return fatal(place + ": a socket's path is at most " + std::to_string(os::kSocketPathSize - 1) +
               " bytes long; choose a shorter one");
}

Receiver::Receiver(const back::SinkConfig& config, os::Io& io)
    : io_(io),
      place_(config.path),
      way_(config.kind == SinkKind::journald ? Way::kJournal : Way::kDatagram) {
  if (config.kind != SinkKind::syslog || !is_address(place_)) return;
  way_ = place_.starts_with(kUdp) ? Way::kUdp : Way::kTcp;
  auto endpoint = os::parse_endpoint(std::string_view(place_).substr(kUdp.size()));
  if (endpoint.ok()) endpoint_ = std::move(endpoint.value());
}

void Receiver::close() {
  if (socket_ >= 0) (void)io_.close(socket_);
  socket_ = -1;
  sent_ = 0;
}

int Receiver::wait() {
  const int events = os::wait_socket(socket_, os::kWritable, kWaitNs);
  if (events < 0) return events;
  return events == 0 ? -EAGAIN : 0;
}

int Receiver::connect() {
  if (socket_ >= 0) return 0;
  const int fd = way_ == Way::kUdp   ? os::connect_udp(endpoint_)
                 : way_ == Way::kTcp ? os::begin_connect_tcp(endpoint_)
                                     : os::connect_unix_datagram(place_);
  if (fd < 0) return fd;
  socket_ = fd;
  if (way_ != Way::kTcp) return 0;
  const int ready = wait();
  return ready < 0 ? -ETIMEDOUT : os::connect_outcome(socket_);
}

Status Receiver::send(std::string_view message) {
  int result = send_once(message);
  // A receiver that was started anew has another socket.
  const bool gone = result == -ECONNREFUSED || result == -ENOTCONN || result == -EPIPE ||
                    result == -ECONNRESET || result == -EDESTADDRREQ;
  if (gone && way_ == Way::kUdp && !std::exchange(refused_before_, true)) {
    report_ = place_ +
              ": nobody listens there: what was sent before is lost, and so is all until "
              "somebody does, which UDP does not say each time";
  }
  if (gone) {
    const i64 lost = way_ == Way::kTcp && socket_ >= 0 ? os::unacknowledged(socket_) : 0;
    if (lost > 0) {
      report_ = place_ + ": the connection broke; up to " + std::to_string(lost) +
                " bytes that were not acknowledged may be lost";
    }
    close();
    result = send_once(message);
  }
  if (result == 0) return {};
  if (result != -EAGAIN) close();
  return failed(ErrorClass::kRetryable, place_,
                result == -EAGAIN ? "the receiver takes nothing" : "cannot be sent to", result);
}

int Receiver::send_once(std::string_view message) {
  const int connected = connect();
  if (connected < 0) return connected;
  return way_ == Way::kTcp ? send_framed(message) : send_datagram(message);
}

int Receiver::send_datagram(std::string_view message) {
  const bool journal = way_ == Way::kJournal;
  for (;;) {
    const std::string shorter = message.size() > longest_ ? cut(message, longest_) : std::string();
    const std::string_view bytes = shorter.empty() ? message : shorter;
    const i64 result = os::send_some(socket_, bytes.data(), bytes.size());
    if (result >= 0) return 0;
    if (result == -EAGAIN) {
      const int ready = wait();
      if (ready < 0) return ready;
      continue;
    }
    if (journal && (result == -EMSGSIZE || result == -ENOBUFS)) return send_in_memory(message);
    if (result != -EMSGSIZE || bytes.size() <= kShortestMax) return int(result);
    longest_ = std::max(kShortestMax, bytes.size() - bytes.size() / 4);
    report_ = place_ + ": a message of " + std::to_string(message.size()) +
              " bytes is more than a datagram takes; such messages are cut";
  }
}

int Receiver::send_in_memory(std::string_view message) {
  const int memory = os::sealed_memory(message);
  if (memory < 0) return memory;
  int result = 0;
  do {
    result = os::send_descriptor(socket_, memory);
  } while (result == -EAGAIN && wait() == 0);
  (void)io_.close(memory);
  return result;
}

// Octet counting (RFC 6587, 3.4.1).
int Receiver::send_framed(std::string_view message) {
  if (sent_ == 0) {
    // A peer that has ended the connection takes what is sent now to nobody.
    char byte = 0;
    const i64 got = os::receive_some(socket_, &byte, 1);
    if (got == 0) return -EPIPE;
    if (got < 0 && got != -EAGAIN) return int(got);
    frame_ = std::to_string(message.size()) + " ";
    frame_ += message;
  }
  while (sent_ < frame_.size()) {
    const i64 result = os::send_some(socket_, frame_.data() + sent_, frame_.size() - sent_);
    if (result >= 0) {
      sent_ += std::size_t(result);
      continue;
    }
    if (result != -EAGAIN) return int(result);
    const int ready = wait();
    if (ready < 0) return ready;
  }
  sent_ = 0;
  return 0;
}

}  // namespace sluice::sink
