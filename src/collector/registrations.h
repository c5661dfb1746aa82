// The ingest socket: programs say which region is theirs, and are told whether it was taken.
//
// A connection is for one region and stays open as long as its program likes: its end tells the
// program that the collector has gone. Only processes of this user are listened to, and one that
// says nothing for kSilenceNs is sent away.
//
// Threading: single-owner, in the owner's poll. Never blocks. Trust: every byte is hostile; the
// path is only compared with what the owner of this object finds itself.
#ifndef SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_
#define SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_

#include <functional>
#include <map>
#include <string>

#include "base/registration_message.h"
#include "os/unix_socket.h"

namespace sluice::collector {

class Registrations {
 public:
  static constexpr u64 kListener = 1;  // tokens from here on are ours
  static constexpr u64 kFirstConnection = u64{1} << 32;
  static constexpr i64 kSilenceNs = 2'000'000'000;

  // `take(path)`: empty when the region is drained from now on, else why not.
  using Take = std::function<std::string(const std::string& path)>;
  Registrations(int listener, os::SocketPoll& poll, Take take);
  ~Registrations();
  Registrations(const Registrations&) = delete;
  Registrations& operator=(const Registrations&) = delete;

  [[nodiscard]] static bool is_ours(u64 token) {
    return token == kListener || token >= kFirstConnection;
  }
  void on_event(const os::SocketPoll::Event& event, i64 now_ns);
  // Sends away who has said nothing.
  void expire(i64 now_ns);
  // The region is not drained any more, which its program is to hear.
  void end(const std::string& region);
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    int fd = -1;
    i64 since_ns = 0;
    bool answered = false;
    std::string received;
    std::string region;  // that is drained for it
  };
  void accept(i64 now_ns);
  // False: it is to be closed.
  [[nodiscard]] bool receive(Connection& connection);
  [[nodiscard]] static bool answer(Connection& connection, const std::string& problem);
  void close(std::map<u64, Connection>::iterator at);

  const int listener_;
  os::SocketPoll& poll_;
  const Take take_;
  u64 next_token_ = kFirstConnection;
  std::map<u64, Connection> connections_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_
