// What a stream's writer counts where it outlives the writer: how many records it accepted, and how
// many of them are in files. When a process was killed, the difference is exactly what it lost.
//
// A file in the directory of regions, which is memory and not a disk:
//
//   magic, version, lanes, which stream, which writer      set once
//   place[2], place_now                      by the flusher: what is in files; the last bit of the
//                                            word says which of the two holds
//   accepted of lane 0, of lane 1, ...       by writers, a cache line each
//
// Where there is no such directory the counts are in private memory, and what a kill took is not
// known. The words of a killed process are read by the next holder of the stream's claim: the
// kernel's lock lies between them.
//
// Threading: accepted() any; the rest single-owner, who holds the stream's claim. Blocking: files
// on tmpfs.
#ifndef SLUICE_SRC_STREAM_WRITER_COUNTS_H_
#define SLUICE_SRC_STREAM_WRITER_COUNTS_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "os/io.h"
#include "stream/framing.h"

namespace sluice::stream {

// Which stream it is.
struct StreamId {
  os::FileId directory;
  u64 line = 0;  // of the directory's index

  [[nodiscard]] bool operator==(const StreamId&) const = default;
};

// What a writer that ended without closing its stream had counted.
struct LeftCounts {
  u64 writer = 0;
  u64 accepted = 0;
  u64 finished = 0;  // records in files that have their own names
  FilePlace open;    // in the file that it was writing, as far as it was counted
  u64 position = 0;  // bytes of records in files, as the flusher took them; what ends a file is not
};

// A file of a writer that is there and cannot be looked at: nothing may be taken for lost now.
[[nodiscard]] Status cannot_be_read(const std::string& path, int error);
// Where the files of a stream's writer are in memory, or would be; with `make` their directory too.
// Empty: there is no such directory.
[[nodiscard]] std::string left_path(const StreamId& id, std::string_view suffix, bool make);

class WriterCounts {
 public:
  // No value: no writer left any that can be understood. kRetryable: they cannot be looked at now.
  [[nodiscard]] static Result<std::optional<LeftCounts>> left_by_earlier(const StreamId& id);
  static void remove_left(const StreamId& id);

  // New ones; in private memory without an id. Null: there is no memory.
  [[nodiscard]] static std::unique_ptr<WriterCounts> make(u32 lanes,
                                                          const std::optional<StreamId>& id);
  ~WriterCounts();
  WriterCounts(const WriterCounts&) = delete;
  WriterCounts& operator=(const WriterCounts&) = delete;

  // relaxed: counts; each is stepped before its record is handed over (P24)
  void accept(u32 lane) { lanes_[lane].accepted.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] u64 accepted() const;
  // Those that a killed writer left, to go on with; null: they cannot be mapped.
  [[nodiscard]] static std::unique_ptr<WriterCounts> of_earlier(const StreamId& id);
  [[nodiscard]] bool outlives() const { return outlives_; }
  // A number of this writer, which no other has.
  [[nodiscard]] u64 writer() const { return header_->writer; }
  [[nodiscard]] u64 position() const { return now().position; }
  [[nodiscard]] u64 finished() const { return now().finished; }
  // How far the open file has come.
  void note_written(FilePlace place) {
    put({now().finished, place, now().position + place.bytes - now().open.bytes});
  }
  // It has its own name, and another comes.
  void note_finished() { put({now().finished + now().open.records, {}, now().position}); }

 private:
  struct Place {
    u64 finished;
    FilePlace open;
    u64 position;
  };
  struct Header {
    u64 magic;
    u32 version;
    u32 lanes;
    StreamId id;
    u64 writer;
    Place place[2];
    std::atomic<u32> place_now;
  };
  struct alignas(64) Lane {
    std::atomic<u64> accepted;
  };
  static constexpr u64 kMagic = 0x53544e554f43534c;  // "LSCOUNTS"
  static constexpr u32 kVersion = 2;
  static constexpr u64 kHeaderBytes = 256;
  static_assert(sizeof(Header) <= kHeaderBytes);

  explicit WriterCounts(u32 lanes);
  // Of the file.
  [[nodiscard]] static u64 bytes_for(u32 lanes);
  [[nodiscard]] bool make_file(const std::string& path);
  [[nodiscard]] const Place& now() const;
  void put(const Place& place);

  const u32 lane_count_;
  const u64 bytes_;
  char* memory_ = nullptr;
  Header* header_ = nullptr;
  Lane* lanes_ = nullptr;
  bool outlives_ = false;  // it is in a file
};

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_WRITER_COUNTS_H_
