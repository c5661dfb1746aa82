#include "cli/zstd_reader.h"

#include <zstd.h>

#include <algorithm>

#include "cli/command.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr int kWindowBitsMax = 27;  // what the zstd command takes without --long

}  // namespace

ZstdReader::ZstdReader() : context_(ZSTD_createDCtx()), input_(ZSTD_DStreamInSize()) {}

ZstdReader::~ZstdReader() {
  ZSTD_freeDCtx(context_);
  if (fd_ >= 0) os::real_io().close(fd_);
}

bool ZstdReader::is_zstd(std::string_view head) {
  if (head.starts_with("\x28\xb5\x2f\xfd")) return true;
  return head.size() >= 4 && (u8(head[0]) & 0xf0) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18";
}

Status ZstdReader::open(const std::string& path) {
  fd_ = os::real_io().open(path.c_str(), os::kRead);
  if (fd_ < 0) return fatal("cannot open " + in_quotes(path) + ": " + os::error_text(fd_));
  if (context_ == nullptr) return fatal("cannot unpack " + in_quotes(path) + ": no memory");
  ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kWindowBitsMax);
  return {};
}

bool ZstdReader::fill() {
  const i64 got = os::real_io().pread(fd_, input_.data(), input_.size(), file_offset_);
  if (got < 0) problem_ = os::error_text(int(got));
  used_ = 0;
  filled_ = std::size_t(std::max(got, i64{0}));
  file_offset_ += filled_;
  input_ended_ = filled_ == 0;
  return got >= 0;
}

std::size_t ZstdReader::read(char* to, std::size_t size) {
  ZSTD_outBuffer out{to, size, 0};
  while (out.pos < size && problem_.empty()) {
    if (used_ == filled_ && !input_ended_ && !fill()) break;
    const bool drained = used_ == filled_;
    if (drained && !frame_open_) break;
    // A frame may hold text back even when all of the file was given to it.
    const std::size_t before = out.pos;
    ZSTD_inBuffer in{input_.data(), filled_, used_};
    const std::size_t wanted = ZSTD_decompressStream(context_, &out, &in);
    used_ = in.pos;
    if (ZSTD_isError(wanted) != 0) {
      problem_ = ZSTD_getErrorName(wanted);
    } else if (drained && out.pos == before && wanted != 0) {
      problem_ = "its end is missing";
    }
    frame_open_ = wanted != 0;
  }
  return out.pos;
}

void ZstdReader::rewind() {
  if (context_ != nullptr) ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
  file_offset_ = 0;
  used_ = filled_ = 0;
  input_ended_ = frame_open_ = false;
  problem_.clear();
}

bool ZstdReader::seek(u64 offset) {
  rewind();
  std::vector<char> passed(std::min<u64>(offset, ZSTD_DStreamOutSize()));
  while (offset > 0) {
    const std::size_t size = std::size_t(std::min<u64>(offset, passed.size()));
    if (read(passed.data(), size) < size) return false;
    offset -= size;
  }
  return true;
}

}  // namespace sluice::cli
