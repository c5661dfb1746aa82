// What the commands that write a stream have in common: their options, and how they end.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_STREAM_OPTIONS_H_
#define SLUICE_SRC_CLI_STREAM_OPTIONS_H_

#include <string>

#include "base/bytes.h"
#include "sluice/stream.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace sluice::cli {

struct StreamCommand {
  std::string name;
  std::string directory;
  Framing framing = Framing::lines;
  std::uint64_t rotate_bytes = 0;
  std::uint64_t rotate_records = 0;
  std::uint32_t rotate_seconds = 0;
  std::uint64_t preallocate_bytes = 0;
  std::uint32_t flush_interval_ms = 10'000;
  bool survive_kill = false;
};

// --dir, --rotate-bytes and the like; the name is the caller's to ask for. `required`: the option
// that they make no sense without; null: they stand for themselves.
void add_stream_options(CLI::App& sub, StreamCommand& command, CLI::Option* required);

[[nodiscard]] Result<Stream> open_stream(const StreamCommand& command, std::uint32_t shards);

// Closes it; what is not as it should be is said: why not all could be taken (empty: it was),
// records that are lost, lines that came in `pieces`. False: there is something. `hurry`: on a disk
// that stays full for some seconds it gives up.
bool close_stream(Stream& stream, const std::string& trouble, u64 pieces, bool hurry);
// "3 records, 40 bytes in 1 files".
[[nodiscard]] std::string summary(const Stream& stream);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_STREAM_OPTIONS_H_
