// The text of a file compressed by zstd (RFC 8878): any number of frames, read from the front.
//
// Threading: single-owner. Blocking: as the disk. Memory: the window of a frame, at most 128 MiB; a
// frame that wants more is an error. Bytes are untrusted.
#ifndef SLUICE_SRC_CLI_ZSTD_READER_H_
#define SLUICE_SRC_CLI_ZSTD_READER_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "os/io.h"

struct ZSTD_DCtx_s;

namespace sluice::cli {

class ZstdReader {
 public:
  ZstdReader();
  ~ZstdReader();
  ZstdReader(const ZstdReader&) = delete;
  ZstdReader& operator=(const ZstdReader&) = delete;

  // Whether a file that begins like this is one; frames to be skipped may come first.
  [[nodiscard]] static bool is_zstd(std::string_view head);

  Status open(const std::string& path);
  // Bytes of text; less than `size` at the end, or where problem() says why there is no more.
  [[nodiscard]] std::size_t read(char* to, std::size_t size);
  // Goes on from there, unpacking what is before. False: the text is shorter.
  [[nodiscard]] bool seek(u64 offset);
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool fill();
  void rewind();

  ZSTD_DCtx_s* const context_;
  int fd_ = -1;
  u64 file_offset_ = 0;
  std::vector<char> input_;
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  bool input_ended_ = false;
  bool frame_open_ = false;
  std::string problem_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_ZSTD_READER_H_
