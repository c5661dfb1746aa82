#include "back/catalog.h"

#include "base/fixed_text.h"
#include "record/message.h"
#include "region/registration.h"

namespace sluice::back {

Catalog::Catalog(const region::Region& region) : region_(region) {
  const region::RegionHeader& header = region.header();
  run_.product = field_text(header.product);
  run_.version = field_text(header.version_text);
  run_.run_id = field_text(header.run_id);
  run_.host = field_text(header.host);
  run_.pid = header.pid;
}

const Site* Catalog::take_in(u32 id) {
  if (id < kSiteFirstCaller) return &builtin_site(id);
  Result<Site> decoded = decode_site(region_.site_text(id));
  if (!decoded.ok() || decoded.value().id != id) return nullptr;
  return &sites_.add(std::move(decoded.value()));
}

std::string_view Catalog::logger(u32 index) {
  if (index == 0 || index >= region_.header().loggers_max) return {};
  if (loggers_.size() <= index) loggers_.resize(region_.header().loggers_max);
  std::string& name = loggers_[index];
  if (name.empty()) {
    const region::LoggerEntry& entry = region_.loggers()[index];
    const u16 bytes = region::Registration<JournalSync>::read_name(entry.bytes);
    if (bytes <= sizeof entry.name) name.assign(entry.name, bytes);
  }
  return name;
}

TickClock Catalog::clock_of(const BatchHeader& header) {
  return {header.ticks, header.wall_ns, header.ns_per_tick_2_32};
}

void Catalog::describe_thread(const BatchView& batch, u16 slot) {
  if (batch_ != batch.first_sequence()) {
    batch_ = batch.first_sequence();
    clock_ = clock_of(batch.header());
  }
  if (!batch.find_thread(slot, thread_)) thread_ = {};
  thread_.slot = slot;
  thread_name_ = {thread_.tid, field_text(thread_.name)};
}

}  // namespace sluice::back
