// Drains a region file as a collector does, into a sink that renders every record and writes
// nothing.
#ifndef SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_
#define SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_

#include <string>
#include <vector>

#include "collector/heart_watch.h"
#include "collector/region_mirror.h"
#include "region/drain.h"

namespace sluice::test {

// Everything that a mirror gets out of the file in 30 turns, with `between(turn)` before each.
template <class Between>
Drained drain_by_mirror(const std::string& path, const char* store, Between&& between) {
  using collector::RegionMirror;
  Drained out;
  auto mirror = RegionMirror::open(os::real_io(), path, store);
  if (!mirror.ok()) {
    out.adopted = -1;
    return out;
  }
  RegionMirror& region = *mirror.value();
  back::Catalog catalog(region.region());
  back::Cursor cursor(region.entry());
  RenderingSink sink(out);
  collector::HeartWatch heart;
  // relaxed: one thread
  JournalReader<JournalSync> reader(region.journal(),
                                    region.entry().cursor_position.load(std::memory_order_relaxed));
  std::vector<char> bytes(kBatchBytesMax);
  for (int turn = 0; turn < 30; ++turn) {
    between(turn);
    const region::HeartbeatEntry* const beats = region.heartbeats();
    if (beats != nullptr) (void)heart.look(beats, turn * i64{1'000'000'000});
    if (!region.refresh().ok()) break;
    for (int batch = 0; batch < 100 && region.merge(true) == back::Merged::kBatch; ++batch) {
    }
    if (!region.write_back().ok()) break;
    while (reader.read(bytes.data()) == JournalRead::kBatch) {
      const BatchView batch(bytes.data());
      sink.write_batch(batch, catalog, cursor);
      reader.advance(batch.header().bytes);
      region.entry().cursor_position.store(reader.position(), JournalOrders::publish_cursor);
    }
  }
  out.damaged = region.damaged();
  return out;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_
