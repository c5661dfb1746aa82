// Segment files: records as they are, with the definitions that any reader needs.
//
// The place in the journal is stored with the data: every frame names the region and its sequences.
// open() asks the directory where they end, so that nothing is stored twice; what a dead writer
// left unsealed is completed. Records that are there already are only counted. Each write() ends
// with a frame in the file: the cursor never passes a record that a kill could take. What this sink
// filters is accounted for in the file as skipped; what it missed (best effort only) shows as
// missing sequences.
//
// Threading: single-owner. Blocking: as the disk. Errors: those of SegmentWriter. A directory must
// not be given to two sinks of one process: their sequences are the same.
#ifndef SLUICE_SRC_SINK_SEGMENT_SINK_H_
#define SLUICE_SRC_SINK_SEGMENT_SINK_H_

#include <memory>
#include <string>

#include "back/sink.h"
#include "segment/writer.h"
#include "sink/filter.h"
#include "sink/named_sites.h"

namespace sluice::sink {

// `text` as a name for segment files: what such a name cannot hold becomes '_'.
[[nodiscard]] std::string segment_name_of(std::string_view text);

class SegmentSink final : public back::Sink {
 public:
  // `io` must outlive it.
  SegmentSink(const back::SinkConfig& config, os::Io& io);

  Status open(const back::Catalog& catalog, back::Cursor& cursor) override;
  Status write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) override;
  Status write_gap(u64, u64) override { return {}; }
  Status flush(bool durable) override;
  Status close() override;
  [[nodiscard]] bool can_be_durable() const override { return true; }

 private:
  Status recover_unsealed(const RegionId& region);
  Status take_all(const BatchView& batch, back::Catalog& catalog);
  void define(const BatchView& batch);
  Status take(const BatchView& batch, const BatchRecord& record, back::Catalog& catalog);
  [[nodiscard]] bool passes(const BatchView& batch, const BatchRecord& record,
                            back::Catalog& catalog, const Site* site) const;
  Status skip(u64 sequence, u64 count);

  os::Io& io_;
  const std::string directory_;
  const std::string name_;
  const Filter filter_;
  NamedSites named_sites_;  // before writer_, which holds addresses of its sites
  std::unique_ptr<SegmentWriter> writer_;
  u64 stored_end_ = 0;  // sequences below are in files of an earlier owner
  u64 taken_ = 0;       // sequences below are with the writer
  u64 clock_ticks_ = 0;
  back::SinkCounts counts_;  // of what is taken and not yet passed
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_SEGMENT_SINK_H_
