// The writes of one file that wait to be sent: bytes in order, in chunks, with a limit.
//
// Writers copy under a spin lock, which nobody holds over a system call: memory for a new chunk is
// taken outside, and a large write is copied into a chunk of its own before it takes the lock. The
// one reader looks under the lock for what there is, and sends it without: bytes that are there
// never move or change.
//
// Where each write ends is kept behind the bytes of its chunk, so that a write of which the reader
// has taken a part can be left out whole.
//
// Threading: put() and end() from any thread, the rest from one reader. Never blocks, but for
// waiting while another thread copies.
#ifndef SLUICE_SRC_APPEND_WRITE_QUEUE_H_
#define SLUICE_SRC_APPEND_WRITE_QUEUE_H_

#include <array>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/spin_lock.h"
#include "sluice/append.h"

namespace sluice::append {

class WriteQueue {
 public:
  explicit WriteQueue(u64 bytes_max);
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  // One write, with `prefix` before it. `reader_sleeps` is loaded after the bytes are there.
  [[nodiscard]] Admission put(std::string_view prefix, std::string_view bytes,
                              const std::atomic<bool>& reader_sleeps, bool& wake);
  // Counts a write that is refused for its length alone.
  Admission refuse_too_big();
  // No more writes from here on.
  void end();
  [[nodiscard]] bool has_room(u64 bytes) const;
  [[nodiscard]] bool has_ended() const;

  // What comes next; empty: nothing yet. Valid until pop() or a skip.
  [[nodiscard]] std::string_view front();
  void pop(std::size_t bytes);
  // Leaves out the rest of a write of which a part was taken; how many bytes that are.
  [[nodiscard]] u64 skip_rest_of_write();
  [[nodiscard]] u64 skip_all();
  // Nothing waits, and nothing will come.
  [[nodiscard]] bool is_over() const;

  // Fills in what the queue knows: accepted, refused and waiting.
  void count(ProxyStatistics& out) const;

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
  static constexpr std::size_t kAloneBytes = kChunkBytes / 4;
  static constexpr std::size_t kSparesMax = 8;

  struct Chunk {
    std::unique_ptr<Chunk> next;
    std::unique_ptr<char[]> data;
    std::size_t capacity = 0;
    std::size_t used = 0;
    std::size_t taken = 0;
    std::size_t writes = 0;

    [[nodiscard]] bool fits(std::size_t bytes) const;
    void add(std::string_view prefix, std::string_view bytes);
    [[nodiscard]] std::size_t end_of(std::size_t write) const;
  };
  class Locked;

  // Null: no memory.
  [[nodiscard]] static std::unique_ptr<Chunk> make_chunk(std::size_t capacity);
  void link(std::unique_ptr<Chunk> chunk);
  [[nodiscard]] Admission verdict(std::size_t bytes);

  const u64 bytes_max_;
  mutable SpinLock<detail::RealSync> lock_;
  // All below under the lock; but taken of a chunk, and what lies below used, are the reader's.
  std::unique_ptr<Chunk> first_;
  Chunk* last_ = nullptr;
  std::array<std::unique_ptr<Chunk>, kSparesMax> spares_;
  std::size_t spares_count_ = 0;
  bool ended_ = false;
  ProxyStatistics counts_;
};

}  // namespace sluice::append

#endif  // SLUICE_SRC_APPEND_WRITE_QUEUE_H_
