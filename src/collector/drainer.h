// Drains the regions of other processes into the store, and sees how those end.
//
//   registration ─┐                      ┌─ refresh ─ merge ─ write back ─┐ a quota of bytes a turn
//   directories ──┴─► RegionMirror ──────┘                                └─► StoreWriter ─► store
//                          └── pidfd, owner's lock ─► the last turns ─► verdict ─► file removed
//
// Directories are watched, and looked into now and then in any case: the kernel's word may be lost.
//
// One thread drains all regions in turn, so that none gets more than its quota while another has
// something; the store has a thread of its own, which may block. A region whose program ended, and
// whose own destinations are behind, is released for the program's next start.
//
// A program with sinks of its own consumes its region itself, and asks to be read beside them, as
// long as its registration stays; when it has died, its region is taken over and drained, and left
// as soon as may be to whoever delivers to those sinks.
//
// Threading: start() and stop() by one thread, the rest thread-safe. Failure: of one region: it is
// released, which is said; of the store: see store_writer.h.
#ifndef SLUICE_SRC_COLLECTOR_DRAINER_H_
#define SLUICE_SRC_COLLECTOR_DRAINER_H_

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collector/heart_watch.h"
#include "collector/registrations.h"
#include "collector/service.h"
#include "collector/store_writer.h"
#include "os/child.h"
#include "os/directory_watch.h"

namespace sluice::collector {

class Drainer final : public Service, private Reporter {
 public:
  struct Options {
    std::string store;                     // absolute
    std::vector<std::string> directories;  // of regions; empty: the default places
    int listener = -1;                     // of the ingest socket; owned. -1: none
    os::ProcessEnd (*end_of)(int process, u32 pid, u64 pid_start) = os::end_of_process;
    i64 look_every_ns = 2'000'000'000;                 // into directories that are watched
    void (*say)(std::string_view sentence) = nullptr;  // thread-safe
  };
  [[nodiscard]] static Result<std::unique_ptr<Drainer>> start(Options options);
  ~Drainer() override;

  [[nodiscard]] std::string_view name() const override { return "regions"; }
  [[nodiscard]] std::vector<Figure> figures() const override;
  [[nodiscard]] bool gets_on() override;
  // Stores what is published, and gives the regions back. How many hold something yet.
  [[nodiscard]] u64 stop(u64 deadline_ns) override;
  // What the regions say and count that it has, and the last 64 that it had until a minute ago.
  // Thread-safe. Takes a second or two at most: `left_out` regions were not looked at.
  [[nodiscard]] std::vector<RegionWatch::Look> looks(u64& left_out);

 private:
  struct Client {
    std::shared_ptr<RegionMirror> mirror;
    std::shared_ptr<RegionFeed> feed;
    u64 token = 0;
    int process = -1;  // pidfd
    u32 pid = 0;
    u64 pid_start = 0;
    os::OomCounter memory;
    i64 due_ns = 0;  // of its next turn
    i64 nap_ns = 0;
    i64 look_ns = 0;  // at the owner's lock
    HeartWatch heart;
    std::optional<std::string> hangs;  // as the feed was told; none: of no heartbeat yet
    i64 hangs_ns = 0;                  // since when
    i64 told_ns = 0;                   // when the feed was told
    i64 died_ns = 0;                   // monotonic; 0: it lives
    i64 died_wall_ns = 0;
    i64 left_ns = 0;  // when the registration ended of a region that is read
    bool drained = false;
    bool let_go = false;  // its locks are given up; what it has said to the last:
    bool goodbye = false;
    bool ending = false;  // the feed has the verdict
    bool over = false;
  };

  explicit Drainer(Options options);
  void report(std::string_view sentence) override { options_.say(sentence); }
  void thread_main();
  void wait(i64 now_ns);
  void scan(i64 now_ns);
  void look_at_found(i64 now_ns);
  // Of a program that asks for it.
  [[nodiscard]] Registrations::Answer take(const Registrations::Request& request);
  // Of one that is where regions are.
  [[nodiscard]] Registrations::Answer take_found(const Registrations::Request& request);
  [[nodiscard]] bool is_a_place(const std::string& path) const;
  [[nodiscard]] Client* known(const std::pair<u64, u64>& id) const;
  // Of a region that is known: nothing where it is to be opened.
  [[nodiscard]] Registrations::Answer take_again(Client& client,
                                                 const Registrations::Request& request);
  void add(std::unique_ptr<RegionMirror> mirror);
  void registration_ended(const std::string& region);
  void watch(Client& client);
  void turn(Client& client, i64 now_ns);
  // True when something was merged.
  [[nodiscard]] Result<bool> drain(Client& client, u64 quota, bool all);
  void look_at_owner(Client& client, i64 now_ns);
  // Of a region that was read, and whose owner has died, or leaves it to us. False: it is another's
  // for the moment, or was released.
  [[nodiscard]] bool take_over(Client& client);
  // Of a region that was read, and whose owner has hung up and seems to live.
  void end_reading(Client& client, i64 now_ns);
  void look_at_heart(Client& client, i64 now_ns);
  void conclude(Client& client, i64 now_ns);
  // False: somebody may tell it yet.
  [[nodiscard]] bool find_status(const Client& client, i64 now_ns, os::ProcessEnd& status) const;
  void leave_to_others(Client& client, i64 now_ns);
  void set_aside(const Client& client, const std::string& why);
  void release(Client& client, const std::string& why);
  void drop_over();
  void forget_watches(i64 now_ns);
  void give_all_back();

  const Options options_;
  StoreWriter& store_;  // never destroyed while its thread hangs in a call
  os::SocketPoll poll_;
  os::Flag stop_;
  std::optional<Registrations> registrations_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::set<std::pair<u64, u64>> set_aside_;  // {device, inode} of regions not to be taken again
  u64 next_token_ = 3;
  os::DirectoryWatch watch_;
  i64 next_scan_ns_ = 0;
  std::set<std::string> found_;  // by the watch, and not looked at yet
  i64 next_found_ns_ = 0;
  bool merged_ = false;
  i64 deadline_ns_ = 0;  // written before stop_ is raised
  u64 left_ = 0;         // read after the thread has ended
  std::thread thread_;
  std::mutex watches_mutex_;
  std::deque<std::shared_ptr<RegionWatch>> watches_;  // under watches_mutex_; the oldest first
  // relaxed: figures
  std::atomic<u64> rounds_{0};  // odd: it has nothing to do
  std::atomic<u64> regions_{0};
  std::atomic<u64> taken_{0};
  std::atomic<u64> released_{0};
  u64 rounds_seen_ = ~u64{0};
  u64 store_rounds_seen_ = ~u64{0};
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_DRAINER_H_
