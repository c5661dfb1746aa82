// A region of another process, read with pread into private memory and never mapped: whoever owns
// the file may cut it or write anything into it at any time (a mapping would be SIGBUS).
//
// Head first, then data: the header is read once and checked; each batch is read header first, then
// whole, then `reclaimed` again, and thrown away when its writer may have been writing there.
//
// Threading: single-owner. Blocking: as reads of tmpfs. Failure: open() says why; later damage is
// kDamaged, and reading goes on with what is committed after it.
#ifndef SLUICE_SRC_COLLECTOR_REGION_IMAGE_H_
#define SLUICE_SRC_COLLECTOR_REGION_IMAGE_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "record/entry.h"
#include "region/histogram_area.h"
#include "region/layout.h"
#include "ring/journal.h"

namespace sluice::collector {

inline constexpr u32 kSitesShown = 65536;  // as many as a program can have

class RegionImage {
 public:
  [[nodiscard]] static Result<std::unique_ptr<RegionImage>> open(os::Io& io,
                                                                 const std::string& path);
  // By a descriptor of somebody who closes it later than this is destroyed.
  [[nodiscard]] static Result<std::unique_ptr<RegionImage>> over(os::Io& io,
                                                                 const std::string& path, int fd);
  ~RegionImage();
  RegionImage(const RegionImage&) = delete;
  RegionImage& operator=(const RegionImage&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const RunInfo& run() const { return run_; }
  [[nodiscard]] i64 start_wall_ns() const { return start_wall_ns_; }

  // The next batch, checked as JournalReader checks one; valid until the next call. kPassed: some
  // were overwritten before they were read, and reading goes on with the oldest that is kept.
  [[nodiscard]] JournalRead next_batch(const char*& batch);
  // The next batch is one that is not there yet; where that will be.
  u64 skip_to_end();
  // Whether there is one now.
  [[nodiscard]] bool has_more();
  // The path names no file or another one: the process has ended, or its region was recovered.
  [[nodiscard]] bool is_gone() const;

  // Where in the file its area of requests lies; 0: there is none.
  [[nodiscard]] u64 requests_at() const;

  // Bytes that threads have published and nobody has merged yet.
  [[nodiscard]] u64 unmerged_bytes();

  // Records that were not kept, by site; and calls that a level or a limit kept out.
  [[nodiscard]] std::vector<u64> drops();
  [[nodiscard]] u64 filtered();

  // The totals of the process's metric cells as they are now. Empty: it has none, or they made no
  // sense.
  struct SeriesTotal {
    u32 site = 0;
    region::CellKind kind = region::CellKind::kCounter;
    std::vector<std::string> labels;  // their values
    u64 total = 0;                    // as in the cell
    // Of a histogram, in the unit of its site:
    struct Bucket {
      double upper = 0;  // the greatest value it holds
      u64 count = 0;
      double sum = 0;
    };
    std::vector<Bucket> buckets = {};
  };
  [[nodiscard]] std::vector<SeriesTotal> series();
  // Where the labels begin in the arguments of a series' site.
  [[nodiscard]] static std::size_t first_label(const Site& site) {
    return (site.flags & SiteFlag::kIsSummary) != 0 ? 3 : 1;
  }

  // What all definitions together have at most.
  [[nodiscard]] u64 dictionary_bytes() const { return area(region::AreaKind::kDictionary).length; }
  // Definition of a site and name of a logger; empty when there is no sound one.
  [[nodiscard]] std::vector<std::byte> site_text(u32 id);
  [[nodiscard]] std::string logger(u32 index);

 private:
  RegionImage(os::Io& io, std::string path, int fd, bool owns)
      : io_(io), path_(std::move(path)), fd_(fd), owns_(owns) {}
  [[nodiscard]] static Result<std::unique_ptr<RegionImage>> take(
      std::unique_ptr<RegionImage> image);

  struct Place {
    u64 offset = 0;
    u64 length = 0;
  };
  Status read_header();
  // Of threads, that were ever in use.
  [[nodiscard]] u32 slots();
  [[nodiscard]] const Place& area(region::AreaKind kind) const { return areas_[u32(kind)]; }
  [[nodiscard]] bool read_at(u64 offset, void* to, std::size_t size);
  [[nodiscard]] double tick_seconds();
  // `size` bytes at `at` within an area.
  [[nodiscard]] bool read_in(region::AreaKind kind, u64 at, void* to, std::size_t size);
  [[nodiscard]] u64 journal_word(std::size_t member, u64 otherwise);
  // Bytes of the journal at a position, which wrap.
  [[nodiscard]] bool read_journal(u64 position, char* to, std::size_t size);
  JournalRead damaged(u64 committed);

  os::Io& io_;
  const std::string path_;
  const int fd_;
  const bool owns_;
  u64 device_ = 0;
  u64 inode_ = 0;
  Place areas_[region::kAreasMax] = {};
  u32 sites_max_ = 0;
  u32 loggers_max_ = 0;
  u32 slots_max_ = 0;
  u64 journal_bytes_ = 0;
  i64 start_wall_ns_ = 0;
  RunInfo run_;
  u64 position_ = 0;
  std::vector<char> batch_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_REGION_IMAGE_H_
