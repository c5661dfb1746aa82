// The memory of a stream that was opened with `survive_kill`: a file in the directory of regions,
// beside the stream's counts, that holds its chunks and all words which say what is in them. When
// the process is killed, the next holder of the stream's claim finds there what is in no file yet.
//
//   header | first words, a line for each lane | chunks' words | holds | marks | chunk memory
//
// It belongs to the counts of the same writer, whose number it bears: without them it is nothing.
//
// Threading: mark() any; the rest as stream/kept.h says. Blocking: make(), provide(), discard(), as
// tmpfs.
#ifndef SLUICE_SRC_STREAM_KEPT_MEMORY_H_
#define SLUICE_SRC_STREAM_KEPT_MEMORY_H_

#include <memory>

#include "base/status.h"
#include "os/memory.h"
#include "sluice/stream.h"
#include "stream/kept.h"
#include "stream/writer_counts.h"

namespace sluice::stream {

using RealChunk = Chunk<detail::RealSync>;
using RealHold = Hold<detail::RealSync>;

struct KeptHeader {
  u64 magic;
  u32 version;
  u32 framing;
  StreamId id;
  u64 writer;
  u64 memory_bytes;
  u32 lanes;
  u32 chunks;
  u64 base;   // where the writer had the chunk memory: RealChunk::bytes counts from there
  u64 taken;  // an atomic word of the writer's: see stream/kept.h
};

// Where the parts of the file are.
struct KeptLayout {
  KeptLayout(u32 lanes, u32 chunks, u64 memory_bytes)
      : first(os::kPageBytes),
        chunks_at(first + u64{lanes} * kLineBytes),
        holds(chunks_at + (u64{chunks} + 1) * sizeof(RealChunk)),
        marks(round_up(holds + (u64{chunks} + 1) * sizeof(RealHold), os::kPageBytes)),
        memory(round_up(marks + memory_bytes / 8, os::kPageBytes)),
        bytes(memory + memory_bytes) {}

  static constexpr u64 kLineBytes = 64;
  u64 first;
  u64 chunks_at;
  u64 holds;
  u64 marks;
  u64 memory;
  u64 bytes;
};

class KeptMemory {
 public:
  static constexpr u64 kMagic = 0x5450454b4d525453;  // "STRMKEPT"
  static constexpr u32 kVersion = 1;
  static constexpr u64 kBytesMax = u64{64} << 30;
  static constexpr const char* kSuffix = ".kept";

  // Of the writer that `counts` are of. An error says what is missing.
  [[nodiscard]] static Result<std::unique_ptr<KeptMemory>> make(const StreamId& id,
                                                                const WriterCounts& counts,
                                                                Framing framing, u32 lanes,
                                                                u64 memory_bytes);
  [[nodiscard]] static bool is_left(const StreamId& id);
  static void remove_left(const StreamId& id);
  ~KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;

  // Room for a pool of the size it was made for.
  [[nodiscard]] RealChunk* chunks() { return at<RealChunk>(layout_.chunks_at); }
  [[nodiscard]] char* memory() { return mapped_ + layout_.memory; }
  // The pages of a chunk, and of its marks. 0 or -errno.
  int provide(char* chunk, u64 bytes);
  // Gives them back to the system: of a chunk that nobody uses.
  int discard(char* chunk, u64 bytes);

  [[nodiscard]] std::atomic<u64>& first(u32 lane) {
    return *at<std::atomic<u64>>(layout_.first + lane * KeptLayout::kLineBytes);
  }
  // The record there is whole.
  void mark(const char* record) { kept_.mark(u64(record - memory())); }
  // The records of a chunk of so many bytes are written, or given up.
  void forget(const char* chunk, u64 bytes) { kept_.clear_marks(u64(chunk - memory()), bytes); }
  void hold(u32 index, u32 generation, u32 lane, u32 bytes) {
    kept_.hold(index, generation, lane, bytes);
  }

 private:
  explicit KeptMemory(const KeptLayout& layout) : layout_(layout) {}
  template <class T>
  [[nodiscard]] T* at(u64 offset) {
    return reinterpret_cast<T*>(mapped_ + offset);
  }

  const KeptLayout layout_;
  char* mapped_ = nullptr;
  int fd_ = -1;
  Kept<detail::RealSync> kept_;
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_KEPT_MEMORY_H_
