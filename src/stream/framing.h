// How the records of a stream lie in its files: what its flusher and recovery must know of it.
//
// A file is made of units that are there whole or not at all: lines, or blocks. StreamFile and Core
// ask here where units end, what a file that a killed writer left is good for, and what ends one.
//
// Threading: const functions any; finish() one thread at a time, in the order of chunks; the rest
// single-owner, who writes the file. finish() and the rest do not meet. Blocking: only good_part(),
// as reads.
#ifndef SLUICE_SRC_STREAM_FRAMING_H_
#define SLUICE_SRC_STREAM_FRAMING_H_

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "os/io.h"
#include "sluice/stream.h"

namespace sluice::stream {

// What goes into a file with one write, of one chunk: whole units, and their records.
struct Piece {
  std::span<std::byte> bytes;
  u64 records = 0;

  [[nodiscard]] std::size_t size() const { return bytes.size(); }
  [[nodiscard]] bool empty() const { return bytes.empty(); }
};

// A place in a file between two units.
struct FilePlace {
  u64 bytes = 0;
  u64 records = 0;  // before it
};

class FileFraming {
 public:
  virtual ~FileFraming() = default;

  // What a chunk of so many bytes keeps free at its start.
  [[nodiscard]] virtual u32 head_bytes(u32 capacity) const = 0;
  // Bytes of a chunk that a record takes besides its own.
  [[nodiscard]] virtual u32 record_overhead() const = 0;
  // Whether its writes may go past the page cache: whole pages at whole pages.
  [[nodiscard]] virtual bool is_paged() const = 0;

  // Makes a chunk ready that was filled up to `bytes`: the units in it. Its records were accepted
  // between these two wall times.
  [[nodiscard]] virtual Piece finish(std::byte* chunk, u32 capacity, u32 bytes, u32 lane,
                                     i64 begin_ns, i64 end_ns) = 0;
  // How long that is.
  [[nodiscard]] virtual u32 finished_bytes(u32 bytes) const = 0;
  // Of the record that begins here, as it stands in a chunk; 0: none ends within.
  [[nodiscard]] virtual std::size_t record_bytes(std::string_view rest) const = 0;
  // The units at the start of `piece` that have room in so many bytes; `at_least_one` all the same.
  [[nodiscard]] virtual Piece fitting(Piece piece, u64 room, bool at_least_one) const = 0;
  // Records of the units of `pieces` that end behind the first `from` bytes, within the first `to`.
  [[nodiscard]] virtual u64 records_between(std::span<const Piece> pieces, u64 from,
                                            u64 to) const = 0;
  // What is left of `piece` behind its first units of so many bytes.
  [[nodiscard]] Piece behind(Piece piece, std::size_t bytes) const {
    return {piece.bytes.subspan(bytes), piece.records - records_between({&piece, 1}, 0, bytes)};
  }
  // How many of the first `bytes` of `pieces` are in whole units.
  [[nodiscard]] virtual u64 whole(std::span<const Piece> pieces, u64 bytes) const = 0;

  // A file begins. Then each piece is given its place in it, before it is written there.
  virtual void begin_file() {}
  virtual void place(Piece, FilePlace) {}
  // How far a file of `size` bytes that a killed writer left is good; 0 or -errno. Its records may
  // be wrong unless it is known how many there are up to a place. What end_file() adds may be there
  // already, and is then not of that part.
  [[nodiscard]] virtual int good_part(os::Io& io, int fd, u64 size,
                                      const std::optional<FilePlace>& known, FilePlace& out) = 0;
  // What completes a file, perhaps nothing; valid until the next call.
  [[nodiscard]] virtual ByteView end_file(FilePlace) { return {}; }
  [[nodiscard]] virtual u32 end_bytes() const { return 0; }
};

[[nodiscard]] std::unique_ptr<FileFraming> make_lines_framing();
[[nodiscard]] std::unique_ptr<FileFraming> make_blocks_framing();
[[nodiscard]] inline std::unique_ptr<FileFraming> make_framing(Framing framing) {
  return framing == Framing::blocks ? make_blocks_framing() : make_lines_framing();
}

// The framing of a file that was left, when it is not `usual`: the option may have changed since.
[[nodiscard]] std::unique_ptr<FileFraming> framing_of_file(os::Io& io, int fd, u64 size,
                                                           const FileFraming& usual);

// How many newlines there are.
[[nodiscard]] u64 count_lines(std::string_view text);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_FRAMING_H_
