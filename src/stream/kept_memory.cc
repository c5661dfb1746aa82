#include "stream/kept_memory.h"

#include <cerrno>
#include <new>
#include <string>

#include "os/os_error.h"

namespace sluice::stream {
namespace {

// The smallest chunk there is: no more chunks than that.
constexpr u64 kChunkBytesMin = 64 << 10;

}  // namespace

Result<std::unique_ptr<KeptMemory>> KeptMemory::make(const StreamId& id, const WriterCounts& counts,
                                                     Framing framing, u32 lanes, u64 memory_bytes) {
  const auto problem = [](const std::string& what, int error) {
    return Status(ErrorClass::kRetryable, "survive_kill: " + what + ": " + os::error_text(error),
                  -error);
  };
  const std::string path = counts.outlives() ? left_path(id, kSuffix, true) : std::string();
  if (path.empty()) {
    return problem("there is no place in /dev/shm for it", -ENOENT);
  }
  const u32 chunks = u32(memory_bytes / kChunkBytesMin);
  std::unique_ptr<KeptMemory> kept(new KeptMemory(KeptLayout(lanes, chunks, memory_bytes)));
  const KeptLayout& layout = kept->layout_;
  os::Io& io = os::real_io();
  (void)io.unlink(path.c_str());
  kept->fd_ = io.open(path.c_str(), os::kRead | os::kWrite | os::kCreate | os::kExclusive);
  if (kept->fd_ < 0) return problem(path + " cannot be made", kept->fd_);
  int error = io.truncate(kept->fd_, layout.bytes);
  // With its pages there, no store of a writer can fault on a full tmpfs.
  if (error == 0) error = io.allocate(kept->fd_, 0, layout.marks);
  if (error == 0) {
    kept->mapped_ = static_cast<char*>(os::reserve(layout.bytes));
    error =
        kept->mapped_ == nullptr ? -ENOMEM : os::map_file(kept->mapped_, kept->fd_, layout.bytes);
  }
  if (error == 0) error = os::populate(kept->mapped_, layout.marks);
  if (error < 0) {
    (void)io.unlink(path.c_str());
    return problem("no memory for it at " + path, error);
  }
  for (u32 lane = 0; lane < lanes; ++lane) new (&kept->first(lane)) std::atomic<u64>{0};
  auto* const holds = new (kept->mapped_ + layout.holds) RealHold[chunks + 1];
  for (u32 index = 0; index <= chunks; ++index) new (kept->chunks() + index) RealChunk{};
  auto* const header = new (kept->mapped_) KeptHeader{};
  auto* const taken = new (&header->taken) std::atomic<u64>{0};
  kept->kept_ = {kept->at<std::atomic<u64>>(layout.marks), holds, taken};
  header->framing = u32(framing);
  header->id = id;
  header->writer = counts.writer();
  header->memory_bytes = memory_bytes;
  header->lanes = lanes;
  header->chunks = chunks;
  header->base = u64(reinterpret_cast<std::uintptr_t>(kept->memory()));
  header->version = kVersion;
  header->magic = kMagic;
  return kept;
}

bool KeptMemory::is_left(const StreamId& id) {
  const std::string path = left_path(id, kSuffix, false);
  os::FileInfo info;
  return !path.empty() && os::real_io().stat(path.c_str(), info) == 0;
}

void KeptMemory::remove_left(const StreamId& id) {
  const std::string path = left_path(id, kSuffix, false);
  if (!path.empty()) (void)os::real_io().unlink(path.c_str());
}

KeptMemory::~KeptMemory() {
  if (mapped_ != nullptr) os::release(mapped_, layout_.bytes);
  if (fd_ >= 0) os::real_io().close(fd_);
}

int KeptMemory::provide(char* chunk, u64 bytes) {
  const u64 offset = u64(chunk - memory());
  const u64 marks = layout_.marks + offset / 8;
  int error = os::real_io().allocate(fd_, layout_.memory + offset, bytes);
  if (error == 0) error = os::real_io().allocate(fd_, marks, bytes / 8);
  if (error == 0) error = os::populate(mapped_ + marks, bytes / 8);
  return error == 0 ? os::populate(chunk, bytes) : error;
}

// Marks that are gone are none: the records of the chunk are written.
int KeptMemory::discard(char* chunk, u64 bytes) {
  const int error =
      os::discard_file(mapped_ + layout_.marks + u64(chunk - memory()) / 8, bytes / 8);
  return error == 0 ? os::discard_file(chunk, bytes) : error;
}

}  // namespace sluice::stream
