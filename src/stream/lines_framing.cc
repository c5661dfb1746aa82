// Framing `lines`: a unit is a record and its newline.
#include <algorithm>
#include <vector>

#include "stream/framing.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::stream {
namespace {

constexpr std::size_t kLookBytes = 64 * 1024;

class LinesFraming final : public FileFraming {
 public:
  u32 head_bytes(u32) const override { return 0; }
  u32 record_overhead() const override { return 1; }
  bool is_paged() const override { return false; }

  Piece finish(std::byte* chunk, u32, u32 bytes, u32, i64, i64) override {
    return counted({chunk, bytes});
  }
  u32 finished_bytes(u32 bytes) const override { return bytes; }
  std::size_t record_bytes(std::string_view rest) const override { return rest.find('\n') + 1; }
  Piece fitting(Piece piece, u64 room, bool at_least_one) const override {
    if (piece.size() <= room) return piece;
    std::size_t bytes = std::size_t(whole({&piece, 1}, room));
    if (bytes == 0 && at_least_one) bytes = as_text(piece.bytes).find('\n') + 1;
    return counted(piece.bytes.first(bytes));
  }
  u64 records_between(std::span<const Piece> pieces, u64 from, u64 to) const override {
    u64 at = 0;
    u64 count = 0;
    for (const Piece piece : pieces) {
      const u64 begin = std::clamp<u64>(from, at, at + piece.size());
      const u64 end = std::clamp<u64>(to, at, at + piece.size());
      if (end - begin == piece.size()) {
        count += piece.records;
      } else {
        count += count_lines(
            as_text(piece.bytes.subspan(std::size_t(begin - at), std::size_t(end - begin))));
      }
      at += piece.size();
    }
    return count;
  }
  u64 whole(std::span<const Piece> pieces, u64 bytes) const override {
    u64 at = 0;
    u64 end = 0;
    for (const Piece piece : pieces) {
      const std::size_t size = std::size_t(std::min<u64>(piece.size(), bytes - at));
      const std::size_t newline = as_text(piece.bytes.first(size)).rfind('\n');
      if (newline != std::string_view::npos) end = at + newline + 1;
      at += size;
      if (at == bytes) break;
    }
    return end;
  }

  // From its end on, back to what is known; to the last newline only where nothing is.
  int good_part(os::Io& io, int fd, u64 size, const std::optional<FilePlace>& known,
                FilePlace& out) override {
    const bool counted = known && known->bytes <= size;
    const u64 least = counted ? known->bytes : 0;
    out = {least, counted ? known->records : 0};
    std::vector<char> bytes(kLookBytes);
    bool found = false;
    for (u64 end = size; end > least && (counted || !found);) {
      const u64 from = std::max(least, end > kLookBytes ? end - kLookBytes : 0);
      const i64 got = os::pread_all(io, fd, bytes.data(), std::size_t(end - from), from);
      if (got < 0) return int(got);
      const std::string_view text(bytes.data(), std::size_t(got));
      const std::size_t newline = text.rfind('\n');
      if (!found && newline != std::string_view::npos) {
        found = true;
        out.bytes = from + newline + 1;
      }
      out.records += count_lines(text);
      end = from;
    }
    return 0;
  }

 private:
  static Piece counted(std::span<std::byte> lines) { return {lines, count_lines(as_text(lines))}; }
};

}  // namespace

u64 count_lines(std::string_view text) {
  const char* at = text.data();
  std::size_t left = text.size();
  u64 count = 0;
#if defined(__SSE2__)
  const __m128i newline = _mm_set1_epi8('\n');
  while (left >= 16) {
    // Bytes of `found` step by one for each newline, so at most 255 times.
    __m128i found = _mm_setzero_si128();
    for (int i = 0; i < 255 && left >= 16; ++i, at += 16, left -= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      found = _mm_sub_epi8(found, _mm_cmpeq_epi8(bytes, newline));
    }
    const __m128i sums = _mm_sad_epu8(found, _mm_setzero_si128());
    count += u64(_mm_cvtsi128_si64(sums)) + u64(_mm_cvtsi128_si64(_mm_srli_si128(sums, 8)));
  }
#endif
  return count + u64(std::count(at, at + left, '\n'));
}

std::unique_ptr<FileFraming> make_lines_framing() { return std::make_unique<LinesFraming>(); }

}  // namespace sluice::stream
