#include "upload/packed_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/crc32c.h"
#include "upload/digest.h"

namespace sluice::upload {
namespace {

constexpr u64 kMemberBytes = u64{1} << 20;  // of the file

constexpr char kUnpackedBytes[] = "sluice-unpacked-bytes";
constexpr char kUnpackedCrc[] = "sluice-unpacked-crc32c";
constexpr char kCrc[] = "sluice-crc32c";

}  // namespace

struct PackedFile::Member {
  explicit Member(UploadCompression how) : packer(how) {}
  Packer packer;
  std::string bytes;   // of the file
  std::string packed;  // of the object
  std::size_t number = ~std::size_t{0};
};

// 0, or -errno.
int PackedFile::pack(os::Io& io, int fd, Member& member, std::size_t number) const {
  const u64 at = number * kMemberBytes;
  member.number = ~std::size_t{0};
  member.bytes.resize(std::size_t(std::min(kMemberBytes, unpacked_size_ - at)));
  const i64 got = os::pread_all(io, fd, member.bytes.data(), member.bytes.size(), at);
  if (got < 0) return int(got);
  if (u64(got) < member.bytes.size()) return -ENODATA;
  if (!member.packer.pack(member.bytes, member.packed)) return -ENOMEM;
  member.number = number;
  return 0;
}

int PackedFile::make(os::Io& io, int fd, u64 size, UploadCompression how,
                     const std::stop_token& stop, std::shared_ptr<const PackedFile>& to) {
  const std::shared_ptr<PackedFile> made(new PackedFile(how, size));
  Member member(how);
  // One member of nothing for a file of nothing.
  const u64 count = std::max<u64>(1, (size + kMemberBytes - 1) / kMemberBytes);
  u64 end = 0;
  for (std::size_t number = 0; number < count; ++number) {
    if (stop.stop_requested()) return -ECANCELED;
    if (const int error = made->pack(io, fd, member, number); error < 0) return error;
    if (!Packer::unpacks_to(how, member.packed, member.bytes)) return -EIO;
    made->unpacked_crc_ =
        sluice::crc32c(member.bytes.data(), member.bytes.size(), made->unpacked_crc_);
    made->crc_ = sluice::crc32c(member.packed.data(), member.packed.size(), made->crc_);
    made->ends_.push_back(end += member.packed.size());
  }
  to = made;
  return 0;
}

os::ReadAt PackedFile::reader(os::Io& io, int fd) const {
  const auto member = std::make_shared<Member>(how_);
  return [this, &io, fd, member](void* to, std::size_t bytes, u64 at) -> i64 {
    std::size_t done = 0;
    while (done < bytes && at + done < size()) {
      const auto end = std::upper_bound(ends_.begin(), ends_.end(), at + done);
      const std::size_t number = std::size_t(end - ends_.begin());
      const u64 begin = number == 0 ? 0 : ends_[number - 1];
      if (member->number != number) {
        if (const int error = pack(io, fd, *member, number); error < 0) return error;
        if (member->packed.size() != *end - begin) {
          member->number = ~std::size_t{0};
          return -ESTALE;
        }
      }
      const u64 from = at + done - begin;
      const std::size_t part = std::size_t(std::min<u64>(bytes - done, *end - begin - from));
      std::memcpy(static_cast<char*>(to) + done, member->packed.data() + from, part);
      done += part;
    }
    return i64(done);
  };
}

std::vector<std::pair<std::string, std::string>> PackedFile::metadata() const {
  return {{kUnpackedBytes, std::to_string(unpacked_size_)},
          {kUnpackedCrc, crc32c_text(unpacked_crc_)},
          {kCrc, crc32c_text(crc_)}};
}

bool PackedFile::is_in(const Said& said, const std::string& stored_crc) const {
  return said(kUnpackedBytes) == std::to_string(unpacked_size_) &&
         said(kUnpackedCrc) == crc32c_text(unpacked_crc_) && said(kCrc) == stored_crc &&
         !stored_crc.empty();
}

}  // namespace sluice::upload
