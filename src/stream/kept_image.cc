#include "stream/kept_image.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>

#include "os/process.h"
#include "stream/pool.h"

namespace sluice::stream {
namespace {

constexpr u32 kLanesMax = 1024;

// What a direct write takes.
struct alignas(os::kPageBytes) Page {
  std::byte bytes[os::kPageBytes];
};

// The rest of a piece, to this file and the next ones.
Status write_piece(Piece rest, FileFraming& framing, StreamFile& file) {
  bool failed = false;
  while (!rest.empty()) {
    const Piece here = framing.fitting(rest, file.room(), file.is_empty());
    u64 done = 0;
    const Status status = here.empty() ? file.finish() : file.write({&here, 1}, done);
    rest = framing.behind(rest, std::size_t(done));
    // With the next file at once; when that fails too, it is for another time.
    if (!status.ok() && (failed || status.error_class() != ErrorClass::kRotate)) return status;
    failed = !status.ok();
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<KeptImage>> KeptImage::open(os::Io& io, const StreamId& id, u64 writer) {
  const std::string path = left_path(id, KeptMemory::kSuffix, false);
  const int fd = path.empty() ? -ENOENT : io.open(path.c_str(), os::kRead);
  if (fd == -ENOENT) return std::unique_ptr<KeptImage>();
  if (fd < 0) return cannot_be_read(path, fd);
  KeptHeader header{};
  os::FileInfo info;
  const int stated = io.stat_fd(fd, info);
  const i64 got = stated < 0 ? stated : os::pread_all(io, fd, &header, sizeof header, 0);
  const bool plausible = got == i64(sizeof header) && header.magic == KeptMemory::kMagic &&
                         header.version == KeptMemory::kVersion && header.id == id &&
                         header.writer == writer && header.framing <= u32(Framing::blocks) &&
                         header.lanes <= kLanesMax &&
                         header.memory_bytes <= KeptMemory::kBytesMax &&
                         header.memory_bytes % Pool::kBytesOf[0] == 0 &&
                         header.chunks == header.memory_bytes / Pool::kBytesOf[0];
  const KeptLayout layout(header.lanes, header.chunks, header.memory_bytes);
  if (!plausible || layout.bytes > info.size) {
    io.close(fd);
    if (got < 0) return cannot_be_read(path, int(got));
    return std::unique_ptr<KeptImage>();
  }
  std::unique_ptr<KeptImage> image(new KeptImage(io, path, fd, header, layout));
  image->words_.resize(layout.marks);
  const i64 words = os::pread_all(io, fd, image->words_.data(), layout.marks, 0);
  if (words != i64(layout.marks)) return cannot_be_read(path, words < 0 ? int(words) : -EIO);
  return image;
}

KeptImage::~KeptImage() { io_.close(fd_); }

u64 KeptImage::first(u32 lane) const {
  return read_word<u64>(layout_.first + lane * KeptLayout::kLineBytes);
}
u64 KeptImage::word(u32 index) const { return of_chunk<u64>(index, offsetof(RealChunk, word)); }
u64 KeptImage::next(u32 index) const { return of_chunk<u64>(index, offsetof(RealChunk, next)); }
i64 KeptImage::ready_ns(u32 index) const {
  return of_chunk<i64>(index, offsetof(RealChunk, ready_ns));
}
u64 KeptImage::position(u32 index) const {
  return read_word<u64>(layout_.holds + index * sizeof(RealHold) + offsetof(RealHold, position));
}
u64 KeptImage::use(u32 index) const {
  return read_word<u64>(layout_.holds + index * sizeof(RealHold) + offsetof(RealHold, use));
}

// In chunk memory.
u64 KeptImage::offset_of_chunk(u32 index) const {
  return of_chunk<u64>(index, offsetof(RealChunk, bytes)) - header_.base;
}

u32 KeptImage::capacity(u32 index) const {
  const u32 bytes = of_chunk<u32>(index, offsetof(RealChunk, capacity));
  const u64 offset = offset_of_chunk(index);
  const bool known = std::find(std::begin(Pool::kBytesOf), std::end(Pool::kBytesOf), bytes) !=
                     std::end(Pool::kBytesOf);
  const bool inside = offset % Pool::kBytesOf[0] == 0 && bytes <= header_.memory_bytes &&
                      offset <= header_.memory_bytes - bytes;
  return known && inside ? bytes : 0;
}

Status KeptImage::read(u32 index, u32 bytes, char* to, std::vector<u32>& records) {
  const u64 offset = offset_of_chunk(index);
  std::vector<u64> marks((bytes + 63) / 64);
  records.clear();
  const std::size_t marks_bytes = marks.size() * sizeof(u64);
  const i64 got = os::pread_all(io_, fd_, to, bytes, layout_.memory + offset);
  const i64 marks_got =
      os::pread_all(io_, fd_, marks.data(), marks_bytes, layout_.marks + offset / 8);
  if (got != i64(bytes) || marks_got != i64(marks_bytes)) {
    return cannot_be_read(path_, got < 0 ? int(got) : marks_got < 0 ? int(marks_got) : -EIO);
  }
  for (u32 word = 0; word < marks.size(); ++word) {
    for (u64 bits = marks[word]; bits != 0; bits &= bits - 1) {
      const u32 at = word * 64 + u32(std::countr_zero(bits));
      if (at < bytes) records.push_back(at);
    }
  }
  return {};
}

Status write_kept(KeptImage& image, u64 position, FileFraming& framing, StreamFile& file) {
  u64 untaken = 0;
  const std::vector<KeptPart> parts = kept_parts(image, untaken);
  std::vector<Page> pages(Pool::kBytesOf[Pool::kSizes - 1] / sizeof(Page));
  auto* const chunk = reinterpret_cast<char*>(pages.data());
  std::vector<u32> records;
  for (const KeptPart& part : parts) {
    const u32 capacity = image.capacity(part.index);
    const u32 bytes = std::min(part.bytes, capacity);
    const u32 head = framing.head_bytes(capacity);
    if (bytes <= head) continue;
    if (Status status = image.read(part.index, bytes, chunk, records); !status.ok()) return status;
    const u32 end = gather_whole(chunk, head, bytes, records, [&](u32 at, u32 limit) {
      return u32(framing.record_bytes({chunk + at, limit - at}));
    });
    if (end == head) continue;
    const i64 now_ns = os::wall_ns();
    const Piece piece =
        framing.finish(reinterpret_cast<std::byte*>(chunk), capacity, end, part.lane,
                       std::min(image.ready_ns(part.index), now_ns), now_ns);
    const u64 begin = part.held ? part.position : untaken;
    if (!part.held) untaken += piece.size();
    const u64 written = position > begin ? std::min<u64>(position - begin, piece.size()) : 0;
    const u64 whole = framing.whole({&piece, 1}, written);
    if (Status status = write_piece(framing.behind(piece, std::size_t(whole)), framing, file);
        !status.ok()) {
      return status;
    }
  }
  return file.finish();
}

}  // namespace sluice::stream
