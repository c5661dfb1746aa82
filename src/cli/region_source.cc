// Records of a live region, or of one that waits for recovery: what its journal still holds.
#include <map>
#include <optional>

#include "back/batch.h"
#include "cli/command.h"
#include "cli/record_source.h"
#include "collector/region_image.h"
#include "record/builtin.h"

namespace sluice::cli {
namespace {

// They say nothing to a reader of lines.
bool is_bookkeeping(u32 site) {
  return site == kSitePadding || site == kSiteContext || site == kSiteThread ||
         site == kSiteClock || site == kSiteDefinition || site == kSiteRun || site == kSiteStateGap;
}

class RegionSource final : public RecordSource {
 public:
  explicit RegionSource(std::unique_ptr<collector::RegionImage> image) : image_(std::move(image)) {}

  const Entry* next() override {
    for (;;) {
      while (!rest_.empty()) {
        if (const Entry* entry = take_record()) return entry;
      }
      if (!next_batch()) return nullptr;
    }
  }

  bool follow() override {
    // In this order: what was committed before the end is not missed.
    gone_ = image_->is_gone();
    return image_->has_more();
  }
  bool ended() const override { return gone_; }

  std::string trouble() const override {
    std::string text;
    if (overwritten_) text += image_->path() + ": records were overwritten before they were read\n";
    if (damaged_ > 0) text += image_->path() + ": the journal is damaged; some of it was skipped\n";
    if (unreadable_ > 0) {
      text += image_->path() + ": " + std::to_string(unreadable_) + " records could not be read\n";
    }
    if (const u64 bytes = image_->unmerged_bytes(); bytes > 0 && !gone_) {
      text += image_->path() + ": " + std::to_string(bytes) +
              " bytes are not in the journal yet; if its process is dead, `sluice recover` "
              "delivers them\n";
    }
    return text;
  }

 private:
  bool next_batch() {
    for (;;) {
      const char* bytes = nullptr;
      switch (image_->next_batch(bytes)) {
        case JournalRead::kBatch: {
          batch_.emplace(bytes);
          const BatchHeader& header = batch_->header();
          rest_ = {reinterpret_cast<const std::byte*>(bytes) + header.bytes - header.record_bytes,
                   header.record_bytes};
          sequence_ = header.first_sequence;
          clock_ = {header.ticks, header.wall_ns, header.ns_per_tick_2_32};
          return true;
        }
        case JournalRead::kNothing:
          return false;
        case JournalRead::kPassed:
          overwritten_ = true;
          break;
        case JournalRead::kDamaged:
          ++damaged_;
          break;
      }
    }
  }

  // Takes one record off the batch; nullptr when it is none to show.
  const Entry* take_record() {
    const u32 size =
        rest_.size() < kRecordHeaderBytes ? 0 : load<RecordHeader>(rest_.data()).size();
    if (size < kRecordHeaderBytes || size > rest_.size()) {
      ++unreadable_;
      rest_ = {};
      return nullptr;
    }
    const ByteView bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    const u64 sequence = sequence_++;
    const auto header = load<RecordHeader>(bytes.data());
    if (is_bookkeeping(header.site)) return nullptr;
    const Site* const site = site_of(header.site);
    if (site == nullptr || !RecordView::parse(bytes, *site, view_)) {
      ++unreadable_;
      return nullptr;
    }
    thread_ = {};
    (void)batch_->find_thread(header.slot(), thread_);
    const u32 logger = view_.logger_id();
    const std::size_t name_bytes = strnlen(thread_.name, sizeof thread_.name);
    entry_.reset();  // an Entry holds references
    entry_.emplace(Entry{.record = view_,
                         .site = *site,
                         .sequence = sequence,
                         .wall_ns = clock_.wall_of(header.ticks),
                         .thread = {thread_.tid, {thread_.name, name_bytes}},
                         .logger = logger != 0 ? logger_of(logger) : std::string_view(site->logger),
                         .run = &image_->run(),
                         .sites = &sites_,
                         .clock = &clock_});
    return &*entry_;
  }

  const Site* site_of(u32 id) {
    if (id < kSiteFirstCaller) return &builtin_site(id);
    if (const Site* known = sites_.find(id)) return known;
    Result<Site> decoded = decode_site(image_->site_text(id));
    if (!decoded.ok() || decoded.value().id != id) return nullptr;
    return &sites_.add(std::move(decoded.value()));
  }

  std::string_view logger_of(u32 index) {
    std::string& name = loggers_[index];
    if (name.empty()) name = image_->logger(index);
    return name;
  }

  std::unique_ptr<collector::RegionImage> image_;
  Dictionary sites_;
  std::map<u32, std::string> loggers_;
  std::optional<BatchView> batch_;
  ByteView rest_;
  u64 sequence_ = 0;
  TickClock clock_;
  BatchThread thread_{};
  RecordView view_;
  std::optional<Entry> entry_;
  bool gone_ = false;
  bool overwritten_ = false;
  u64 damaged_ = 0;
  u64 unreadable_ = 0;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_region(const std::string& path) {
  auto image = collector::RegionImage::open(os::real_io(), path);
  if (!image.ok()) return image.status();
  return Result<std::unique_ptr<RecordSource>>(
      std::make_unique<RegionSource>(std::move(image.value())));
}

}  // namespace sluice::cli
