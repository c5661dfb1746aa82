#include "stream/writer_counts.h"

#include <cerrno>
#include <new>
#include <vector>

#include "base/wake_word.h"
#include "os/memory.h"
#include "os/os_error.h"
#include "os/process.h"
#include "region/region.h"

namespace sluice::stream {
namespace {

constexpr u32 kLanesMax = 1024;

std::string path_of(const StreamId& id, bool make) { return left_path(id, "", make); }

}  // namespace

std::string left_path(const StreamId& id, std::string_view suffix, bool make) {
  char directory[512];
  for (u32 attempt = 0; attempt < region::kRegionDirectories; ++attempt) {
    if (!region::region_directory(directory, sizeof directory, attempt, make)) continue;
    return std::string(directory) + "/stream-" + std::to_string(id.directory.device) + "-" +
           std::to_string(id.directory.inode) + "-" + std::to_string(id.line) + std::string(suffix);
  }
  return {};
}

Status cannot_be_read(const std::string& path, int error) {
  return failed(ErrorClass::kRetryable, path, "of a killed writer, cannot be read", error);
}

Result<std::optional<LeftCounts>> WriterCounts::left_by_earlier(const StreamId& id) {
  const std::optional<LeftCounts> none;
  const std::string path = path_of(id, false);
  if (path.empty()) return none;
  os::Io& io = os::real_io();
  const int fd = io.open(path.c_str(), os::kRead);
  if (fd == -ENOENT) return none;
  if (fd < 0) return cannot_be_read(path, fd);
  std::vector<char> bytes(bytes_for(kLanesMax));
  const i64 got = os::pread_all(io, fd, bytes.data(), bytes.size(), 0);
  io.close(fd);
  if (got < 0) return cannot_be_read(path, int(got));
  if (got < i64(kHeaderBytes)) return none;
  const auto field = [&bytes](std::size_t offset, auto& to) {
    std::memcpy(&to, bytes.data() + offset, sizeof to);
  };
  u64 magic = 0, writer = 0;
  u32 version = 0, lanes = 0, place_now = 0;
  StreamId found;
  Place place{};
  field(offsetof(Header, magic), magic);
  field(offsetof(Header, version), version);
  field(offsetof(Header, lanes), lanes);
  field(offsetof(Header, id), found);
  field(offsetof(Header, writer), writer);
  field(offsetof(Header, place_now), place_now);
  field(offsetof(Header, place) + (place_now & 1) * sizeof place, place);
  // A directory that was removed, and another that has its number: not the same one.
  if (magic != kMagic || version != kVersion || found != id || lanes > kLanesMax ||
      u64(got) < bytes_for(lanes)) {
    return none;
  }
  LeftCounts left{.writer = writer,
                  .accepted = 0,
                  .finished = place.finished,
                  .open = place.open,
                  .position = place.position};
  for (u32 lane = 0; lane < lanes; ++lane) {
    u64 accepted = 0;
    field(kHeaderBytes + lane * sizeof(Lane), accepted);
    left.accepted += accepted;
  }
  return std::optional(left);
}

void WriterCounts::remove_left(const StreamId& id) {
  const std::string path = path_of(id, false);
  if (!path.empty()) (void)os::real_io().unlink(path.c_str());
}

WriterCounts::WriterCounts(u32 lanes) : lane_count_(lanes), bytes_(bytes_for(lanes)) {}

u64 WriterCounts::bytes_for(u32 lanes) {
  return round_up(kHeaderBytes + lanes * sizeof(Lane), os::kPageBytes);
}

std::unique_ptr<WriterCounts> WriterCounts::make(u32 lanes, const std::optional<StreamId>& id) {
  std::unique_ptr<WriterCounts> counts(new WriterCounts(lanes));
  counts->memory_ = static_cast<char*>(os::reserve(counts->bytes_));
  if (counts->memory_ == nullptr) return nullptr;
  const std::string path = id ? path_of(*id, true) : std::string();
  counts->outlives_ = counts->make_file(path);
  if (!counts->outlives_ && os::map_zero(counts->memory_, counts->bytes_) < 0) return nullptr;
  counts->header_ = new (counts->memory_) Header{};
  counts->lanes_ = reinterpret_cast<Lane*>(counts->memory_ + kHeaderBytes);
  for (u32 lane = 0; lane < lanes; ++lane) new (&counts->lanes_[lane]) Lane{};
  if (id) counts->header_->id = *id;
  os::random_bytes(&counts->header_->writer, sizeof counts->header_->writer);
  counts->header_->lanes = lanes;
  counts->header_->version = kVersion;
  counts->header_->magic = kMagic;
  return counts;
}

std::unique_ptr<WriterCounts> WriterCounts::of_earlier(const StreamId& id) {
  const std::string path = path_of(id, false);
  os::Io& io = os::real_io();
  const int fd = path.empty() ? -1 : io.open(path.c_str(), os::kRead | os::kWrite);
  if (fd < 0) return nullptr;
  Header header{};
  os::FileInfo info;
  std::unique_ptr<WriterCounts> counts;
  if (io.stat_fd(fd, info) == 0 &&
      os::pread_all(io, fd, &header, sizeof header, 0) == i64(sizeof header) &&
      header.lanes <= kLanesMax) {
    counts.reset(new WriterCounts(header.lanes));
    counts->memory_ = static_cast<char*>(os::reserve(counts->bytes_));
  }
  if (counts && (info.size < counts->bytes_ || counts->memory_ == nullptr ||
                 os::map_file(counts->memory_, fd, counts->bytes_) < 0)) {
    counts.reset();
  }
  io.close(fd);
  if (!counts) return nullptr;
  counts->header_ = reinterpret_cast<Header*>(counts->memory_);
  counts->lanes_ = reinterpret_cast<Lane*>(counts->memory_ + kHeaderBytes);
  counts->outlives_ = true;
  return counts;
}

WriterCounts::~WriterCounts() {
  if (memory_ != nullptr) os::release(memory_, bytes_);
}

// False: there is no room for such a file, and none is left.
bool WriterCounts::make_file(const std::string& path) {
  if (path.empty()) return false;
  os::Io& io = os::real_io();
  (void)io.unlink(path.c_str());
  const int fd = io.open(path.c_str(), os::kRead | os::kWrite | os::kCreate | os::kExclusive);
  if (fd < 0) return false;
  // With its pages there, no store of a writer can fault on a full tmpfs.
  const bool mapped = io.allocate(fd, 0, bytes_) == 0 && os::map_file(memory_, fd, bytes_) == 0 &&
                      os::populate(memory_, bytes_) == 0;
  io.close(fd);
  if (!mapped) (void)io.unlink(path.c_str());
  return mapped;
}

u64 WriterCounts::accepted() const {
  u64 sum = 0;
  for (u32 lane = 0; lane < lane_count_; ++lane) {
    sum += lanes_[lane].accepted.load(std::memory_order_relaxed);
  }
  return sum;
}

const WriterCounts::Place& WriterCounts::now() const {
  // relaxed: only this thread changes it
  return header_->place[header_->place_now.load(std::memory_order_relaxed) & 1];
}

void WriterCounts::put(const Place& place) {
  // relaxed: as in now()
  header_->place[(header_->place_now.load(std::memory_order_relaxed) + 1) & 1] = place;
  // release: the place before the step, for whoever comes after this process (P19)
  Wake::step(header_->place_now);
}

}  // namespace sluice::stream
