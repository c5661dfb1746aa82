#include "cli/stream_options.h"

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "cli/command.h"
#include "cli/stream_lines.h"

namespace sluice::cli {
namespace {

constexpr std::uint32_t kCloseMs = 60'000;
constexpr std::uint32_t kStuckMs = 5000;

// Waits as long as the disk gets on. False: it does not.
bool flush_if_possible(Stream& stream) {
  u64 before;
  do {
    before = stream.statistics().bytes_written;
    if (stream.flush(kStuckMs)) return true;
  } while (stream.statistics().bytes_written != before);
  return false;
}

}  // namespace

void add_stream_options(CLI::App& sub, StreamCommand& command, CLI::Option* required) {
  CLI::Option* const directory =
      sub.add_option("--dir", command.directory, "Where the stream's files are; made if need be")
          ->type_name("DIR");
  const std::map<std::string, Framing> framings{{"lines", Framing::lines},
                                                {"blocks", Framing::blocks}};
  CLI::Option* const others[] = {
      sub.add_option("--framing", command.framing,
                     "lines: text (default); blocks: with checksums, for `sluice cat` and `verify`")
          ->transform(CLI::CheckedTransformer(framings))
          ->type_name("lines|blocks"),
      sub.add_option("--rotate-bytes", command.rotate_bytes,
                     "A new file before this size is passed: 64MiB, 1GiB (default: never)")
          ->transform(CLI::AsSizeValue(false))
          ->type_name("BYTES"),
      sub.add_option("--rotate-records", command.rotate_records,
                     "A new file when one has so many records (default: never)")
          ->type_name("N"),
      sub.add_option("--rotate-seconds", command.rotate_seconds,
                     "A new file when one is so old (default: never)")
          ->type_name("S"),
      sub.add_option("--preallocate", command.preallocate_bytes,
                     "Room on the disk taken for each new file (default: none)")
          ->transform(CLI::AsSizeValue(false))
          ->type_name("BYTES"),
      sub.add_option("--flush-interval", command.flush_interval_ms,
                     "How long a line waits for others at most, in ms (default: 10000)")
          ->check(CLI::Range(1u, 86'400'000u))
          ->type_name("MS"),
      sub.add_flag("--survive-kill", command.survive_kill,
                   "Lines taken outlive a SIGKILL: the next writer, or an uploader, writes them"),
  };
  if (required == nullptr) {
    directory->required();
    return;
  }
  required->needs(directory);
  directory->needs(required);
  for (CLI::Option* const option : others) option->needs(required);
}

Result<Stream> open_stream(const StreamCommand& command, std::uint32_t shards) {
  return Stream::open(command.directory, command.name,
                      {.shards = shards,
                       .flush_interval_ms = command.flush_interval_ms,
                       .framing = command.framing,
                       .rotate_bytes = command.rotate_bytes,
                       .rotate_records = command.rotate_records,
                       .rotate_seconds = command.rotate_seconds,
                       .preallocate_bytes = command.preallocate_bytes,
                       .survive_kill = command.survive_kill,
                       .wait_ms = StreamLines::kLookMs});
}

bool close_stream(Stream& stream, const std::string& trouble, u64 pieces, bool hurry) {
  const bool stuck = hurry && !flush_if_possible(stream);
  const Status closed = stream.close(stuck ? 0 : kCloseMs);
  if (!trouble.empty()) complain(trouble);
  if (!closed.ok()) complain(closed.message());
  if (pieces > 0) {
    complain(std::to_string(pieces) + " pieces of lines that were too long for a record");
  }
  return trouble.empty() && closed.ok() && pieces == 0;
}

std::string summary(const Stream& stream) {
  const StreamStatistics told = stream.statistics();
  return std::to_string(told.accepted - told.lost) + " records, " +
         std::to_string(told.bytes_written) + " bytes in " + std::to_string(told.files) + " files" +
         (told.lost > 0 ? "; " + std::to_string(told.lost) + " records lost" : "");
}

}  // namespace sluice::cli
