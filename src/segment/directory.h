// Segment files in a directory: NAME-NNNNNN.seg, numbered from 1, never reused while a file is
// there.
//
// Threading: plain functions. Blocking: as the directory and file reads behind them. Failure: a
// directory that cannot be read is an error; files that are not segments, or are damaged, are not.
#ifndef SLUICE_SRC_SEGMENT_DIRECTORY_H_
#define SLUICE_SRC_SEGMENT_DIRECTORY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "os/io.h"
#include "segment/frame.h"

namespace sluice {

struct SegmentName {
  std::string name;
  u64 number = 0;
};

inline constexpr std::size_t kSegmentNameBytesMax = 128;

// A name that may become part of a file name: 1 to kSegmentNameBytesMax letters, digits, '.', '_'
// or '-', not beginning with '.'.
[[nodiscard]] bool is_segment_name(std::string_view name);
// "app", 7: "app-000007.seg". More digits above 999999.
[[nodiscard]] std::string segment_file_name(std::string_view name, u64 number);
// nullopt for any file name that segment_file_name() could not have made.
[[nodiscard]] std::optional<SegmentName> parse_segment_file_name(std::string_view file_name);

// Every segment file of `name` (empty: of all names), by name and then number.
[[nodiscard]] Result<std::vector<SegmentName>> list_segments(os::Io& io,
                                                             const std::string& directory,
                                                             std::string_view name = {});

// One above the highest number of `name` in the directory; 1 when there is none.
[[nodiscard]] Result<u64> next_number(os::Io& io, const std::string& directory,
                                      std::string_view name);

// The highest sequence of `region` that a good frame in the directory accounts for; nullopt when
// there is none. Reads from the newest file of each name back to the first that holds any and does
// not repeat an older one's frames; a file of another region costs one frame.
[[nodiscard]] Result<std::optional<u64>> last_sequence(os::Io& io, const std::string& directory,
                                                       const RegionId& region);

}  // namespace sluice

#endif  // SLUICE_SRC_SEGMENT_DIRECTORY_H_
