// The threads of an uploader: one of them looks for files, all of them deliver.
//
// A thread takes the oldest file of the queue; when the queue is empty, one looks through the
// directory and fills it again, so what waits is on the disk and not in memory. A file that could
// not be sent now is taken again when its time has come; one that is parked, when it changes.
//
// Threading: thread-safe. Blocking: the end joins the threads, which stop at the next look at the
// stop token. In a forked child every call does nothing.
#ifndef SLUICE_SRC_UPLOAD_ENGINE_H_
#define SLUICE_SRC_UPLOAD_ENGINE_H_

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "sluice/upload.h"
#include "stream/fork.h"
#include "upload/delivery.h"
#include "upload/retention.h"

namespace sluice::upload {

// What one uploader works with; made before its threads.
struct Parts {
  os::Io& io;
  Destination destination;
  std::unique_ptr<Bucket> bucket;
  std::unique_ptr<UploadLog> log;
  std::unique_ptr<Scan> scan;
};

class Engine {
 public:
  Engine(Parts parts, const UploadOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  bool drain(u32 timeout_ms);
  bool stop(u32 deadline_ms);
  // Not so in a forked child, which must not even destroy it.
  [[nodiscard]] bool is_ours() const { return forks_ == stream::Forks::count(); }
  [[nodiscard]] UploadStatistics statistics() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  struct Flight {
    u64 bytes = 0;
    u64 done = 0;
  };

  void work();
  void look_for_files(Lock& lock);
  Status look_through(Look& look, u64& sealed);
  void keep_bounds();
  void take_in(const Look& look, u64 asked, i64 began_ns);
  void send_one(Lock& lock);
  [[nodiscard]] Attendant attendant_for(const FoundFile& found);
  bool pause(u64 ms);
  void settle(const FoundFile& found, const Delivered& delivered, double took_ms);
  [[nodiscard]] bool is_passed_over(const FoundFile& found);
  void tell(const UploadEvent& event);
  void report(const UploadEvent& event);

  const UploadOptions options_;
  Parts parts_;
  Delivery delivery_;
  const u32 forks_ = stream::Forks::count();
  std::mutex joining_;        // one stop() at a time
  std::mutex event_mutex_;    // one event at a time; taken without mutex_
  std::string look_trouble_;  // the looking thread's; said once

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool broke_off_ = false;  // something that was being sent
  bool looking_ = false;
  bool tidied_ = false;  // what was begun for files that have gone
  i64 next_look_ns_ = 0;
  u64 asked_ = 0;     // by drain()
  u64 answered_ = 0;  // everything was tried since
  std::deque<FoundFile> queue_;
  std::map<std::string, Flight> flights_;
  std::map<std::string, i64> later_;  // when it is due
  std::map<std::string, FoundFile> parked_;
  UploadStatistics totals_;
  std::stop_source breaking_off_;
  std::vector<std::thread> threads_;
};

}  // namespace sluice::upload

#endif  // SLUICE_SRC_UPLOAD_ENGINE_H_
