#include "sink/own_record.h"

#include "os/process.h"
#include "record/builtin.h"

namespace sluice::sink {
namespace {

const Site& damage_site() {
  static const Site* const site = [] {
    auto* made = new Site;
    made->id = kSiteUnknown;
    made->level = Level::error;
    made->logger = "sluice";
    made->format = "{records} damaged record(s) from sequence {first} on, call site {site}";
    made->arguments = {
        {ArgType::kU64, "records"}, {ArgType::kU64, "first"}, {ArgType::kU32, "site"}};
    return made;
  }();
  return *site;
}

}  // namespace

const Entry& OwnRecord::gap(const back::Catalog& catalog, std::string_view sink, u64 missed_now,
                            u64 missed_in_all) {
  return make(catalog, builtin_site(kSiteSinkGap),
              {{ArgType::kString, sink.size(), sink},
               {ArgType::kU64, missed_in_all, {}},
               {ArgType::kU64, missed_now, {}}},
              0, os::wall_ns());
}

const Entry& OwnRecord::damage(const back::Catalog& catalog, u64 sequence, u64 records, u32 site,
                               i64 wall_ns) {
  return make(
      catalog, damage_site(),
      {{ArgType::kU64, records, {}}, {ArgType::kU64, sequence, {}}, {ArgType::kU32, site, {}}},
      sequence, wall_ns);
}

const Entry& OwnRecord::make(const back::Catalog& catalog, const Site& site,
                             std::initializer_list<Value> values, u64 sequence, i64 wall_ns) {
  std::size_t tail = kRecordHeaderBytes + 8 * values.size();
  std::size_t bytes = tail;
  for (const Value& value : values) bytes += value.text.size();
  bytes_.assign(round_up(bytes, 8), std::byte{0});
  store(bytes_.data(), RecordHeader{u16(bytes_.size() / 8), 0, site.id, 0});
  std::size_t at = kRecordHeaderBytes;
  for (const Value& value : values) {
    store(bytes_.data() + at, value.word);
    at += 8;
    if (!value.text.empty())
      std::memcpy(bytes_.data() + tail, value.text.data(), value.text.size());
    tail += value.text.size();
  }
  (void)RecordView::parse(bytes_, site, view_);
  entry_.reset();  // Entry holds references
  entry_.emplace(Entry{.record = view_,
                       .site = site,
                       .sequence = sequence,
                       .wall_ns = wall_ns,
                       .thread = {},
                       .logger = site.logger,
                       .run = &catalog.run(),
                       .sites = &catalog.sites(),
                       .clock = nullptr});
  return *entry_;
}

}  // namespace sluice::sink
