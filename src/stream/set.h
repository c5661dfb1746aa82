// The streams of a set, by name: opened at their first record, closed one by one, deleted when no
// thread writes to them any more.
//
// A write finds the entry of its name without a lock, in a table of addresses that are stored once
// (P18), and the stream in it by base/in_use.h (P28). Nothing waits for a disk with the lock held:
// who opens, flushes or closes a stream keeps nobody from the others.
//
// Threading: thread-safe, but for the end. Blocking: opening, flush() and closing as the disk. In a
// forked child nothing takes the lock, which another thread may have held when it was forked.
#ifndef SLUICE_SRC_STREAM_SET_H_
#define SLUICE_SRC_STREAM_SET_H_

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "stream/engine.h"

namespace sluice::stream {

void add(Core::Times& sum, const Core::Times& one);

class Set {
 public:
  static constexpr u32 kNamesMax = 4096;

  Set(std::shared_ptr<Directory> directory, std::shared_ptr<Engine> engine,
      const StreamOptions& options);
  ~Set();
  Set(const Set&) = delete;
  Set& operator=(const Set&) = delete;

  Admission write(std::string_view name, std::string_view record) noexcept;
  // Ok: it is open, or was until another closed it.
  Status open_stream(std::string_view name);
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  Status close_stream(std::string_view name, u32 timeout_ms);
  bool flush(u32 timeout_ms, bool durable);
  Status close(u32 timeout_ms);

  // Sums, of streams that were closed too.
  [[nodiscard]] StreamStatistics statistics() const;
  [[nodiscard]] Core::Times times() const;
  [[nodiscard]] Status status() const;
  // Those that were closed and are not deleted yet.
  [[nodiscard]] std::size_t gone_streams() const;

 private:
  struct Entry {
    explicit Entry(std::string_view given) : name(given) {}
    const std::string name;
    std::atomic<Core*> open{nullptr};  // null: closed, its next record opens it
    std::shared_ptr<Core> core;        // the same, under mutex_
  };
  static constexpr u32 kSlots = 2 * kNamesMax;

  [[nodiscard]] bool is_ours() const { return forks_ == Forks::count(); }
  [[nodiscard]] Entry* find(std::string_view name) const;
  // Entries with a stream that is open; without the lock.
  template <class Each>
  void each_open(const Each& each) const;
  [[nodiscard]] std::vector<std::shared_ptr<Core>> open_cores() const;
  // Those and the ones that are not deleted yet. Under mutex_.
  template <class Each>
  void each_core(const Each& each) const;
  Status begin_opening(std::string_view name, bool& begun);
  Entry& add_entry(std::string_view name);
  void delete_unused();

  const StreamOptions options_;
  const std::shared_ptr<Directory> directory_;
  const std::shared_ptr<Engine> engine_;
  const u32 forks_;
  std::array<std::atomic<Entry*>, kSlots> slots_{};
  std::atomic<u64> dropped_stopped_{0};  // relaxed: a count
  std::atomic<u32> opened_word_{0};      // stepped when an opening is over (P19)

  mutable std::mutex mutex_;  // what follows, and every change of an entry
  std::vector<std::unique_ptr<Entry>> entries_;
  std::set<std::string, std::less<>> opening_;  // names
  std::vector<std::shared_ptr<Core>> gone_;     // closed; threads may still write to them
  StreamStatistics deleted_;                    // of those that are deleted
  Core::Times deleted_times_;
  Status status_;
  bool closed_ = false;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_SET_H_
