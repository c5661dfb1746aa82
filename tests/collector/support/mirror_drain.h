// Drains a region file as a collector does, into a sink that renders every record and writes
// nothing.
#ifndef SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_
#define SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_

#include <memory>
#include <string>
#include <vector>

#include "collector/heart_watch.h"
#include "collector/region_mirror.h"
#include "region/drain.h"

namespace sluice::test {

// Everything that a mirror gets out of the file in 30 turns, with `between(turn)` before each.
template <class Between>
Drained drain_by(const Result<std::unique_ptr<collector::RegionMirror>>& mirror,
                 Between&& between) {
  Drained out;
  if (!mirror.ok()) {
    out.adopted = -1;
    return out;
  }
  collector::RegionMirror& region = *mirror.value();
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
    for (;;) {
      const JournalRead read = reader.read(bytes.data());
      if (read == JournalRead::kPassed) reader.skip_to_oldest();
      if (read == JournalRead::kNothing || read == JournalRead::kDamaged) break;
      if (read != JournalRead::kBatch) continue;
      const BatchView batch(bytes.data());
      sink.write_batch(batch, catalog, cursor);
      reader.advance(batch.header().bytes);
      region.entry().cursor_position.store(reader.position(), JournalOrders::publish_cursor);
    }
  }
  if (!region.only_reads()) out.damaged = region.damaged();
  return out;
}

template <class Between>
Drained drain_by_mirror(const std::string& path, const char* store, Between&& between) {
  return drain_by(collector::RegionMirror::open(os::real_io(), path, store), between);
}
// As of a program that drains itself.
template <class Between>
Drained read_by_mirror(os::Io& io, const std::string& path, u32 place, Between&& between) {
  return drain_by(collector::RegionMirror::open_to_read(io, path, place), between);
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_COLLECTOR_SUPPORT_MIRROR_DRAIN_H_
