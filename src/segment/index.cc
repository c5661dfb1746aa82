#include "segment/index.h"

#include <algorithm>
#include <utility>

namespace sluice {

void SegmentIndex::add(const Frame& frame) {
  if (counts_.frames == 0) {
    region_id_ = frame.header.region_id;
    run_.emplace();
    run_->region_id = region_id_;
    first_sequence_ = frame.header.first_sequence;
    end_sequence_ = first_sequence_;
  }
  ++counts_.frames;
  sealed_ = frame.header.frame_kind() == FrameKind::kSeal;
  counts_.records += frame.header.record_count;
  counts_.caller_records += frame.header.caller_count;
  counts_.skipped_sequences += frame.header.sequence_count - frame.header.record_count;
  count_sequences(frame.header);
  for_each_record(frame.payload, [this](const RecordHeader& header, ByteView record) {
    if (is_definition(header.site)) add_definition(record, header.site);
  });
}

void SegmentIndex::count_sequences(const FrameHeader& header) {
  if (header.first_sequence > end_sequence_) {
    counts_.missing_sequences += header.first_sequence - end_sequence_;
  } else if (header.sequence_count > 0) {
    counts_.duplicate_sequences +=
        std::min(header.end_sequence(), end_sequence_) - header.first_sequence;
  }
  end_sequence_ = std::max(end_sequence_, header.end_sequence());
}

void SegmentIndex::add_definition(ByteView record, u32 site) {
  if (site == kSiteRun && !run_is_defined_) {
    std::optional<RunDefinition> run = decode_run(record);
    if (run) {
      run_ = std::move(run);
      run_is_defined_ = true;
    } else {
      ++counts_.refused_definitions;
    }
  } else if (site == kSiteDefinition) {
    std::optional<Site> decoded = decode_site_record(record);
    if (!decoded) {
      ++counts_.refused_definitions;
    } else if (sites_.find(decoded->id) == nullptr) {
      site_bytes_ += record.size();
      if (site_bytes_ > kIndexBytesMax) {
        ++counts_.refused_definitions;
        return;
      }
      site_ids_.push_back(decoded->id);
      sites_.add(std::move(*decoded));
    }
  }
}

}  // namespace sluice
