#include "stream/seal.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "stream/kept_image.h"

namespace sluice::stream {
namespace {

// Brings what is in the files of a killed writer, `left` in the open one, and what it had kept
// together; `counts` are its own, and say how far that has come.
Status write_all_kept(StreamFile& file, const std::optional<LeftFile>& left, KeptImage& image,
                      WriterCounts& counts) {
  if (left) {
    counts.note_written(left->good);
  } else {
    counts.note_finished();  // killed before it could say so
  }
  file.count_in(&counts);
  Status finished = file.finish();
  file.count_in(nullptr);
  if (!finished.ok()) return finished;
  const auto framing = make_framing(image.framing());
  StreamFile next = file.next_in(*framing);
  next.count_in(&counts);
  return write_kept(image, counts.position(), *framing, next);
}

}  // namespace

std::string Left::loss() const {
  std::string text = kept > 0 ? std::to_string(kept) + " records that were in memory are written; "
                              : std::string();
  if (kept > 0 && lost == 0u) {
    text += "nothing that it had accepted is lost";
  } else {
    text += lost ? std::to_string(*lost) + " records that it had accepted are lost"
                 : "what it had not flushed is lost";
  }
  if (file) {
    text += "; the file is finished, " + std::to_string(cut_bytes) +
            " bytes at its end that were not whole are cut";
  }
  return text;
}

std::string Left::sentence() const {
  return path + ": its writer ended without closing it: " + loss();
}

Status seal_left(StreamFile& file, const std::optional<StreamId>& id,
                 const std::function<void(const Left&)>& told) {
  std::optional<LeftCounts> counts;
  std::unique_ptr<KeptImage> image;
  if (id) {
    auto left_counts = WriterCounts::left_by_earlier(*id);
    if (!left_counts.ok()) return left_counts.status();
    counts = left_counts.value();
  }
  if (counts) {
    auto kept = KeptImage::open(os::real_io(), *id, counts->writer);
    if (!kept.ok()) return kept.status();
    image = std::move(kept.value());
  }
  const auto looked = file.look_left(counts ? std::optional(counts->open) : std::nullopt);
  if (!looked.ok()) return looked.status();
  const std::optional<LeftFile>& found = looked.value();
  Left left{.path = file.path(),
            .file = found.has_value(),
            .cut_bytes = found ? found->cut_bytes : 0,
            .lost = {}};
  u64 written = 0;
  if (counts) written = counts->finished + (found ? found->good.records : counts->open.records);
  const auto of_earlier = image ? WriterCounts::of_earlier(*id) : std::unique_ptr<WriterCounts>();
  if (image && !of_earlier) {
    return {ErrorClass::kRetryable,
            file.path() + ": the counts of a killed writer cannot be mapped"};
  }
  if (of_earlier) {
    Status status = write_all_kept(file, found, *image, *of_earlier);
    if (!status.ok()) return status;
    left.kept = of_earlier->finished() - std::min(of_earlier->finished(), written);
    written = of_earlier->finished();
  }
  if (counts) left.lost = counts->accepted - std::min(counts->accepted, written);
  if (left.file || left.kept > 0 || left.lost.value_or(0) > 0) told(left);
  if (id) {
    KeptMemory::remove_left(*id);
    WriterCounts::remove_left(*id);
  }
  return file.finish();
}

Status seal_unwritten(os::Io& io, Directory& directory,
                      const std::function<void(const Left&)>& told) {
  Status first;
  Status status = directory.for_unwritten([&](Claim& claim) {
    // Of either framing: the file tells.
    const auto framing = make_lines_framing();
    StreamFile file(io, directory.path(), claim, *framing, {});
    Status sealed = seal_left(file, StreamId{directory.id(), claim.line}, told);
    if (first.ok()) first = std::move(sealed);
  });
  return status.ok() ? first : status;
}

}  // namespace sluice::stream
