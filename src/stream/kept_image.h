// What a killed writer with `survive_kill` left in memory: the file of stream/kept_memory.h, read
// as one that anybody may have written, and put into files.
//
// Threading: single-owner, who holds the stream's claim. Blocking: open() as tmpfs, write_kept() as
// the disk.
#ifndef SLUICE_SRC_STREAM_KEPT_IMAGE_H_
#define SLUICE_SRC_STREAM_KEPT_IMAGE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "os/io.h"
#include "stream/file.h"
#include "stream/kept_memory.h"

namespace sluice::stream {

class KeptImage {
 public:
  // Of the writer with this number. Null: it kept none that can be understood. kRetryable: it
  // cannot be looked at now.
  [[nodiscard]] static Result<std::unique_ptr<KeptImage>> open(os::Io& io, const StreamId& id,
                                                               u64 writer);
  ~KeptImage();
  KeptImage(const KeptImage&) = delete;
  KeptImage& operator=(const KeptImage&) = delete;

  [[nodiscard]] Framing framing() const { return Framing(header_.framing); }

  // As kept_parts() asks.
  [[nodiscard]] u32 chunks() const { return header_.chunks; }
  [[nodiscard]] u32 lanes() const { return header_.lanes; }
  [[nodiscard]] u64 taken() const { return header_.taken; }
  [[nodiscard]] u64 first(u32 lane) const;
  [[nodiscard]] u64 word(u32 index) const;
  [[nodiscard]] u64 next(u32 index) const;
  [[nodiscard]] u64 position(u32 index) const;
  [[nodiscard]] u64 use(u32 index) const;

  // Wall time, before its first record.
  [[nodiscard]] i64 ready_ns(u32 index) const;
  // How large it is; 0: no chunk can be so.
  [[nodiscard]] u32 capacity(u32 index) const;
  // Its first bytes, no more than its capacity, and where in it whole records begin, in order.
  // kRetryable: it cannot be read now.
  Status read(u32 index, u32 bytes, char* to, std::vector<u32>& records);

 private:
  KeptImage(os::Io& io, std::string path, int fd, const KeptHeader& header,
            const KeptLayout& layout)
      : io_(io), path_(std::move(path)), fd_(fd), header_(header), layout_(layout) {}
  template <class T>
  [[nodiscard]] T read_word(u64 offset) const {
    return load<T>(words_.data() + offset);
  }
  // A member of its words, by its offset there.
  template <class T>
  [[nodiscard]] T of_chunk(u32 index, std::size_t member) const {
    return read_word<T>(layout_.chunks_at + index * sizeof(RealChunk) + member);
  }
  [[nodiscard]] u64 offset_of_chunk(u32 index) const;

  os::Io& io_;
  const std::string path_;
  const int fd_;
  const KeptHeader header_;
  const KeptLayout layout_;
  std::vector<char> words_;  // of the file, all before the marks
};

// Writes what is in no file yet, of a writer whose files have all before `position`. `framing` is
// that of the image and of `file`, which counts what it writes (StreamFile::count_in()).
Status write_kept(KeptImage& image, u64 position, FileFraming& framing, StreamFile& file);

}  // namespace sluice::stream

#endif  // SLUICE_SRC_STREAM_KEPT_IMAGE_H_
