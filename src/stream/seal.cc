#include "stream/seal.h"

#include <algorithm>

namespace sluice::stream {

std::string Left::loss() const {
  std::string text = lost ? std::to_string(*lost) + " records that it had accepted are lost"
                          : "what it had not flushed is lost";
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
  const auto counts = id ? WriterCounts::left_by_earlier(*id) : std::nullopt;
  const auto looked = file.look_left(counts ? std::optional(counts->open) : std::nullopt);
  if (!looked.ok()) return looked.status();
  const std::optional<LeftFile>& found = looked.value();
  Left left{.path = file.path(),
            .file = found.has_value(),
            .cut_bytes = found ? found->cut_bytes : 0,
            .lost = {}};
  if (counts) {
    const u64 written = counts->finished + (found ? found->good.records : counts->open.records);
    left.lost = counts->accepted - std::min(counts->accepted, written);
  }
  if (left.file || left.lost.value_or(0) > 0) told(left);
  if (id) WriterCounts::remove_left(*id);
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
