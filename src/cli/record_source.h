// Where `cat` and `tail` get records from: segments, streams, files of lines, live regions.
//
// Threading: single-owner. Blocking: as reads of files. Everything read is untrusted; damage is
// skipped, counted and told by trouble(), and nothing in it can make a source fail.
#ifndef SLUICE_SRC_CLI_RECORD_SOURCE_H_
#define SLUICE_SRC_CLI_RECORD_SOURCE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "record/entry.h"

namespace sluice::cli {

class RecordSource {
 public:
  virtual ~RecordSource() = default;

  // The next record; nullptr when there is no more (for now). Valid until the next call.
  [[nodiscard]] virtual const Entry* next() = 0;
  // Looks for what was written since; true when next() may have something.
  [[nodiscard]] virtual bool follow() = 0;
  // Nothing will ever follow.
  [[nodiscard]] virtual bool ended() const { return false; }
  // Steps when call sites that earlier entries named have gone: caches by site must be emptied.
  [[nodiscard]] virtual u64 generation() const { return 0; }
  // The line that the last record was read from; empty when it was none.
  [[nodiscard]] virtual std::string_view line() const { return {}; }
  [[nodiscard]] virtual bool line_is_json() const { return false; }
  // What could not be read, as a sentence; empty: nothing.
  [[nodiscard]] virtual std::string trouble() const { return {}; }
};

struct SourceOptions {
  bool following = false;  // an unfinished last line waits for its rest
  // Of a directory's segments only the last files of each name, which hold so many records; 0: all.
  u64 last_records = 0;
};

// Decides by what stands at `path`: a directory of segments or streams, a segment, blocks of a
// stream, a region, else lines.
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_source(const std::string& path,
                                                                const SourceOptions& options);

// The kinds, by themselves.
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_segments(const std::string& path,
                                                                  bool directory,
                                                                  const SourceOptions& options);
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_lines(const std::string& path,
                                                               const SourceOptions& options);
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_region(const std::string& path);
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_blocks(const std::string& path);
[[nodiscard]] Result<std::unique_ptr<RecordSource>> open_streams(const std::string& directory,
                                                                 const SourceOptions& options);

// Whether streams are written in the directory, and their files, those of a stream in their order.
[[nodiscard]] bool is_stream_directory(const std::string& path);
[[nodiscard]] std::vector<std::string> stream_files(const std::string& directory);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_RECORD_SOURCE_H_
