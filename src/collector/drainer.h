// Drains the regions of other processes into the store, and sees how those end.
//
//   registration ─┐                      ┌─ refresh ─ merge ─ write back ─┐ a quota of bytes a turn
//   directory  ───┴─► RegionMirror ──────┘                                └─► StoreWriter ─► store
//                          └── pidfd, owner's lock ─► the last turns ─► verdict ─► file removed
//
// One thread drains all regions in turn, so that none gets more than its quota while another has
// something; the store has a thread of its own, which may block. A region whose program ended, and
// whose own destinations are behind, is released for the program's next start.
//
// Threading: start() and stop() by one thread, the rest thread-safe. Failure: of one region: it is
// released, which is said; of the store: see store_writer.h.
#ifndef SLUICE_SRC_COLLECTOR_DRAINER_H_
#define SLUICE_SRC_COLLECTOR_DRAINER_H_

#include <memory>
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

namespace sluice::collector {

class Drainer final : public Service, private Reporter {
 public:
  struct Options {
    std::string store;                                 // absolute
    std::vector<std::string> directories;              // of regions; empty: the default places
    int listener = -1;                                 // of the ingest socket; owned. -1: none
    void (*say)(std::string_view sentence) = nullptr;  // thread-safe
  };
  [[nodiscard]] static Result<std::unique_ptr<Drainer>> start(Options options);
  ~Drainer() override;

  [[nodiscard]] std::string_view name() const override { return "regions"; }
  [[nodiscard]] std::vector<Figure> figures() const override;
  [[nodiscard]] bool gets_on() override;
  // Stores what is published, and gives the regions back. How many hold something yet.
  [[nodiscard]] u64 stop(u64 deadline_ns) override;

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
    bool drained = false;
    bool ending = false;  // the feed has the verdict
    bool over = false;
  };

  explicit Drainer(Options options);
  void report(std::string_view sentence) override { options_.say(sentence); }
  void thread_main();
  void wait(i64 now_ns);
  void scan();
  [[nodiscard]] std::string take(const std::string& path);
  [[nodiscard]] bool is_a_place(const std::string& path) const;
  [[nodiscard]] bool is_known(const std::string& path) const;
  void watch(Client& client);
  void turn(Client& client, i64 now_ns);
  // True when something was merged.
  [[nodiscard]] Result<bool> drain(Client& client, u64 quota, bool all);
  void look_at_owner(Client& client, i64 now_ns);
  void look_at_heart(Client& client, i64 now_ns);
  void conclude(Client& client, i64 now_ns);
  void release(Client& client, const std::string& why);
  void drop_over();
  void give_all_back();

  const Options options_;
  StoreWriter& store_;  // never destroyed while its thread hangs in a call
  os::SocketPoll poll_;
  os::Flag stop_;
  std::optional<Registrations> registrations_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::set<std::pair<u64, u64>> set_aside_;  // {device, inode} of regions not to be taken again
  u64 next_token_ = 2;
  i64 next_scan_ns_ = 0;
  bool merged_ = false;
  i64 deadline_ns_ = 0;  // written before stop_ is raised
  u64 left_ = 0;         // read after the thread has ended
  std::thread thread_;
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
