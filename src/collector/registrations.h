// The ingest socket: programs say which region is theirs, and are told whether it was taken; and
// their parents how they ended.
//
// A connection is for one region, or one child, and stays open as long as its program likes: its
// end tells the program that the collector has gone. Only processes of this user are listened to,
// and one that says nothing for kSilenceNs is sent away. One that there is no descriptor
// for is told so.
//
// Threading: single-owner, in the owner's poll. Never blocks. Trust: every byte is hostile; the
// path is only compared with what the owner of this object finds itself.
#ifndef SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_
#define SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "collector/told_ends.h"
#include "os/descriptor_reserve.h"
#include "os/unix_socket.h"

namespace sluice::collector {

class Registrations {
 public:
  static constexpr u64 kListener = 1;  // tokens from here on are ours
  static constexpr u64 kFirstConnection = u64{1} << 32;
  static constexpr i64 kSilenceNs = 2'000'000'000;

  struct Request {
    std::string region;
    std::optional<u32> place;  // where it is to be read; none: it is to be drained
  };
  struct Answer {
    bool taken = false;
    std::string line;
  };
  using Take = std::function<Answer(const Request& request)>;
  // The last connection of a region that was taken has ended, by its program.
  using Gone = std::function<void(const std::string& region)>;
  Registrations(int listener, os::SocketPoll& poll, Take take, Gone gone);
  ~Registrations();
  Registrations(const Registrations&) = delete;
  Registrations& operator=(const Registrations&) = delete;

  [[nodiscard]] static bool is_ours(u64 token) {
    return token == kListener || token >= kFirstConnection;
  }
  void on_event(const os::SocketPoll::Event& event, i64 now_ns);
  // Sends away who has said nothing; again at due_ns().
  void expire(i64 now_ns);
  [[nodiscard]] i64 due_ns() const { return due_ns_; }
  // The region is neither drained nor read any more, which its program is to hear.
  void end(const std::string& region);
  // How it ended, by its parent's word; not known: that has not said it.
  [[nodiscard]] os::ProcessEnd told_end(const ProcessName& process) const {
    return told_.of(process);
  }
  // Its parent is there, and has said that it will.
  [[nodiscard]] bool will_tell(const ProcessName& process) const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    int fd = -1;
    i64 since_ns = 0;
    u32 uid = 0;
    bool answered = false;
    std::string received;
    std::string region;   // that was taken for it
    ProcessName process;  // that it is going to tell of
  };
  void accept(i64 now_ns);
  void make_room();
  // False: it is to be closed.
  [[nodiscard]] bool receive(Connection& connection);
  [[nodiscard]] bool obey(Connection& connection, const IngestMessage& message);
  [[nodiscard]] bool note_end(Connection& connection, const IngestMessage& message);
  [[nodiscard]] static bool answer(Connection& connection, const Answer& answer);
  void close(std::map<u64, Connection>::iterator at);

  const int listener_;
  os::SocketPoll& poll_;
  const Take take_;
  const Gone gone_;
  u64 next_token_ = kFirstConnection;
  i64 due_ns_ = std::numeric_limits<i64>::max();
  std::map<u64, Connection> connections_;
  ToldEnds told_;
  os::DescriptorReserve reserve_;  // for a client that there is none for
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGISTRATIONS_H_
