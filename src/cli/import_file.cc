#include "cli/import_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>

#include "cli/command.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr unsigned kImportBytes = 256 * 1024;
constexpr std::size_t kFirstLineMax = 1024;
constexpr i64 kRestNs = 2'000'000'000;  // a file that nobody has written to for so long is finished

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), twice with different beginnings: it tells
// files apart, and nothing depends on nobody being able to make two alike.
void hash(std::string_view bytes, u64& low, u64& high) {
  constexpr u64 kPrime = 0x100000001b3;
  for (const char c : bytes) {
    low = (low ^ u8(c)) * kPrime;
    high = (high ^ u8(c)) * kPrime;
    high ^= high >> 29;
  }
}

ImportFile::Key key_of(std::string_view label, std::string_view bytes, u64 device, u64 inode) {
  u64 words[2] = {0xcbf29ce484222325, 0x9ae16a3b2f90404f};
  hash(label, words[0], words[1]);
  const u64 numbers[2] = {device, inode};
  hash({reinterpret_cast<const char*>(numbers), sizeof numbers}, words[0], words[1]);
  hash(bytes, words[0], words[1]);
  ImportFile::Key key;
  std::memcpy(key.data(), words, key.size());
  return key;
}

}  // namespace

ImportFile::Key ImportFile::key_of_text(std::string_view label, std::string_view text) {
  return key_of(label, text, 0, 0);
}

ImportFile::~ImportFile() {
  if (file_ != nullptr) gzclose_r(file_);
}

Status ImportFile::open(const std::string& path) {
  path_ = path;
  const std::string name = in_quotes(path);
  if (const int error = os::real_io().stat_followed(path.c_str(), info_); error != 0) {
    return fatal("cannot open " + name + ": " + os::error_text(error) + "; check the path");
  }
  // A pipe has no place to go on from.
  if (!info_.regular) return fatal(name + " is no ordinary file; write it to one first");
  file_ = gzopen(path.c_str(), "rbe");
  if (file_ == nullptr) {
    return fatal("cannot open " + name + ": " + os::error_text(errno != 0 ? -errno : -ENOMEM) +
                 "; check whose it is");
  }
  gzbuffer(file_, kImportBytes);
  head_.resize(kHeadBytes);
  const int got = gzread(file_, head_.data(), unsigned(kHeadBytes));
  head_.resize(std::size_t(std::max(got, 0)));
  compressed_ = gzdirect(file_) == 0;
  if (got < 0) return fatal(name + " is damaged: " + gzerror(file_, &errno));
  if (!compressed_ && ZstdReader::is_zstd(head_)) {
    compressed_ = true;
    zstd_ = std::make_unique<ZstdReader>();
    if (const Status status = zstd_->open(path); !status.ok()) return status;
    head_.resize(kHeadBytes);
    head_.resize(zstd_->read(head_.data(), kHeadBytes));
    if (head_.empty() && !zstd_->problem().empty()) {
      return fatal(name + " is damaged: " + zstd_->problem());
    }
  }
  if (head_.starts_with("\xfd"
                        "7zXZ") ||
      head_.starts_with("BZh")) {
    return fatal(name + " is compressed by another program than gzip or zstd; unpack it first");
  }
  if (head_.find('\0') != std::string::npos) return fatal(name + " is no text");
  make_keys();
  (void)seek(0);
  return {};
}

void ImportFile::make_keys() {
  const std::size_t line = std::min(head_.find('\n'), head_.size());
  key_ = key_of("file", std::string_view(head_).substr(0, std::min(line, kFirstLineMax)),
                info_.device, info_.inode);
  if (has_content()) content_ = key_of("content", head_, 0, 0);
}

bool ImportFile::seek(u64 offset) {
  buffer_.clear();
  used_ = searched_ = 0;
  ended_ = false;
  csv_ends_.reset();
  offset_ = offset;
  if (!compressed_) {
    return offset <= info_.size && gzseek(file_, z_off_t(offset), SEEK_SET) == z_off_t(offset);
  }
  if (zstd_ != nullptr) {
    const bool found = zstd_->seek(offset);
    if (!zstd_->problem().empty()) {
      problem_ = in_quotes(path_) + " is damaged or cut: " + zstd_->problem();
    }
    return found;
  }
  // zlib goes forward by unpacking what is between; beyond the end it says nothing.
  if (gzseek(file_, z_off_t(offset), SEEK_SET) < 0) return false;
  if (offset == 0) return true;
  if (gzseek(file_, z_off_t(offset - 1), SEEK_SET) < 0) return false;
  return gzgetc(file_) >= 0;
}

bool ImportFile::read_more() {
  if (ended_) return false;
  buffer_.erase(0, used_);
  searched_ -= used_;
  used_ = 0;
  const std::size_t size = buffer_.size();
  buffer_.resize(size + kImportBytes);
  if (zstd_ != nullptr) return read_more_zstd(size);
  const int got = gzread(file_, buffer_.data() + size, kImportBytes);
  buffer_.resize(size + std::size_t(std::max(got, 0)));
  int error = Z_OK;
  const char* const text = gzerror(file_, &error);
  ended_ = got < int(kImportBytes);
  if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
    ended_ = true;
    problem_ = in_quotes(path_) + " is damaged or cut: " +
               (error == Z_BUF_ERROR ? std::string("its end is missing") : printable(text));
  }
  return got > 0;
}

bool ImportFile::read_more_zstd(std::size_t size) {
  const std::size_t got = zstd_->read(buffer_.data() + size, kImportBytes);
  buffer_.resize(size + got);
  ended_ = got < kImportBytes;
  if (!zstd_->problem().empty()) {
    problem_ = in_quotes(path_) + " is damaged or cut: " + zstd_->problem();
  }
  return got > 0;
}

bool ImportFile::refuse_record(std::string_view why) {
  problem_ = in_quotes(path_) + ": the record at byte " + std::to_string(offset_) + " " +
             std::string(why) + "; what is before it was taken";
  return false;
}

bool ImportFile::next(std::string_view& line) {
  for (;;) {
    const std::size_t newline =
        csv_ ? csv_ends_.find(buffer_, searched_) : buffer_.find('\n', searched_);
    const bool whole = newline != std::string::npos;
    const std::size_t size = (whole ? newline : buffer_.size()) - used_;
    const bool piece = !whole && size >= (csv_ ? kCsvBytesMax : kLineBytesMax);
    const bool end = !whole && !piece && ended_;
    if (whole || piece || (end && size > 0)) {
      if (end && !compressed_ && os::wall_ns() - info_.modified_ns < kRestNs) {
        left_open_ = true;
        return false;
      }
      if (csv_ && !whole) {
        if (!problem_.empty()) return false;
        if (piece) return refuse_record("is longer than 16 MiB; close its quotes, or leave it out");
        if (csv_ends_.in_quotes()) {
          return refuse_record("has a quote that is not closed until the end; close it");
        }
      }
      csv_ends_.reset();
      line = std::string_view(buffer_).substr(used_, size);
      used_ = searched_ = used_ + size + (whole ? 1 : 0);
      offset_ += size + (whole ? 1 : 0);
      if (line.ends_with('\r')) line.remove_suffix(1);
      return true;
    }
    if (end) return false;
    searched_ = buffer_.size();
    (void)read_more();
  }
}

}  // namespace sluice::cli
