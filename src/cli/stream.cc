// sluice stream write: standard input into a stream, a line a record.
//
// Nothing is dropped: while there is no room the input waits. SIGINT, SIGTERM and SIGHUP end it as
// the end of the input does, with everything read so far in the file; where there is no room for
// it, that is said, and is exit code 1. A line that is longer than a record can be becomes several,
// which is said and is exit code 1.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "cli/command.h"
#include "os/child.h"
#include "os/io.h"
#include "sluice/stream.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::uint32_t kLookMs = 100;  // for a signal, while there is no room
constexpr std::uint32_t kCloseMs = 60'000;
constexpr std::uint32_t kCloseAtSignalMs = 5000;  // when there was no room anyway

struct WriteCommand {
  std::string name;
  std::string directory;
  Framing framing = Framing::lines;
  std::uint64_t rotate_bytes = 0;
  std::uint64_t rotate_records = 0;
  std::uint32_t rotate_seconds = 0;
  std::uint64_t preallocate_bytes = 0;
  std::uint32_t flush_interval_ms = 10'000;
  bool quiet = false;
};

// Lines of what is read, as records.
class Lines {
 public:
  Lines(Stream& stream, const os::SignalInbox& signals)
      : stream_(stream), signals_(signals), longest_(stream.record_bytes_max()) {}

  // False: the stream takes nothing any more.
  bool add(std::string_view bytes) {
    for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos;) {
      const std::string_view line = bytes.substr(0, end);
      bytes.remove_prefix(end + 1);
      if (rest_.empty() ? !put(line) : !(rest_ += line, end_line())) return false;
    }
    rest_ += bytes;
    // Not more of a line in memory than a record holds.
    while (rest_.size() > longest_) {
      if (!put(std::string_view(rest_).substr(0, longest_))) return false;
      rest_.erase(0, longest_);
      ++pieces_;
    }
    return true;
  }
  // A last line without a newline.
  bool finish() { return rest_.empty() || end_line(); }

  [[nodiscard]] u64 pieces() const { return pieces_; }
  // By a signal, while there was no room.
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  bool end_line() {
    const bool taken = put(rest_);
    rest_.clear();
    return taken;
  }
  bool put(std::string_view line) {
    for (; line.size() > longest_; line.remove_prefix(longest_), ++pieces_) {
      if (!put_record(line.substr(0, longest_))) return false;
    }
    return put_record(line);
  }
  bool put_record(std::string_view record) {
    for (;;) {
      const Admission admission = stream_.write(record);
      if (admission != Admission::kDroppedFull) return admission == Admission::kOk;
      ended_ = os::is_end_signal(signals_.next().number);
      if (ended_) return false;
    }
  }

  Stream& stream_;
  const os::SignalInbox& signals_;
  const std::size_t longest_;
  std::string rest_;
  u64 pieces_ = 0;
  bool ended_ = false;
};

std::string why_it_takes_no_more(const Lines& lines) {
  return lines.ended()
             ? "ended by a signal while there was no room: what follows of the input is not taken"
             : "the stream takes nothing any more";
}

// What went wrong with the input; empty: nothing.
std::string pump(Lines& lines, const os::SignalInbox& signals) {
  os::Io& io = os::real_io();
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const os::Readable ready = os::wait_readable(0, signals.fd(), -1);
    if (ready.second && os::is_end_signal(signals.next().number)) break;
    if (!ready.first) continue;
    const i64 got = io.read(0, buffer.data(), buffer.size());
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got < 0) return "cannot read standard input: " + os::error_text(int(got));
    if (got == 0) break;
    if (!lines.add({buffer.data(), std::size_t(got)})) return why_it_takes_no_more(lines);
  }
  return lines.finish() ? "" : why_it_takes_no_more(lines);
}

int write(const WriteCommand& command) {
  // Before the stream's threads, which inherit what it blocks.
  const os::SignalInbox signals;
  auto stream = Stream::open(command.directory, command.name,
                             {.flush_interval_ms = command.flush_interval_ms,
                              .framing = command.framing,
                              .rotate_bytes = command.rotate_bytes,
                              .rotate_records = command.rotate_records,
                              .rotate_seconds = command.rotate_seconds,
                              .preallocate_bytes = command.preallocate_bytes,
                              .wait_ms = kLookMs});
  if (!stream.ok()) {
    complain(stream.status().message());
    return kUsage;
  }
  Lines lines(stream.value(), signals);
  const std::string trouble = pump(lines, signals);
  const Status closed = stream.value().close(lines.ended() ? kCloseAtSignalMs : kCloseMs);
  if (!trouble.empty()) complain(trouble);
  if (!closed.ok()) complain(closed.message());
  const StreamStatistics told = stream.value().statistics();
  if (lines.pieces() > 0) {
    complain(std::to_string(lines.pieces()) + " pieces of lines that were too long for a record");
  }
  if (!command.quiet) {
    complain(std::to_string(told.accepted - told.lost) + " records, " +
             std::to_string(told.bytes_written) + " bytes in " + std::to_string(told.files) +
             " files" + (told.lost > 0 ? "; " + std::to_string(told.lost) + " records lost" : ""));
  }
  return trouble.empty() && closed.ok() && lines.pieces() == 0 ? kDone : kProblem;
}

}  // namespace

void add_stream(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("stream", "Byte streams: records into files");
  sub->require_subcommand(1);
  CLI::App* const write_sub =
      sub->add_subcommand("write", "Standard input into a stream, a line a record");
  auto command = std::make_shared<WriteCommand>();
  write_sub->add_option("name", command->name, "The stream")->required()->type_name("NAME");
  write_sub->add_option("--dir", command->directory, "Where its files are; made if need be")
      ->required()
      ->type_name("DIR");
  const std::map<std::string, Framing> framings{{"lines", Framing::lines},
                                                {"blocks", Framing::blocks}};
  write_sub
      ->add_option("--framing", command->framing,
                   "lines: text (default); blocks: with checksums, for `sluice cat` and `verify`")
      ->transform(CLI::CheckedTransformer(framings))
      ->type_name("lines|blocks");
  write_sub
      ->add_option("--rotate-bytes", command->rotate_bytes,
                   "A new file before this size is passed: 64MiB, 1GiB (default: never)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  write_sub
      ->add_option("--rotate-records", command->rotate_records,
                   "A new file when one has so many records (default: never)")
      ->type_name("N");
  write_sub
      ->add_option("--rotate-seconds", command->rotate_seconds,
                   "A new file when one is so old (default: never)")
      ->type_name("S");
  write_sub
      ->add_option("--preallocate", command->preallocate_bytes,
                   "Room on the disk taken for each new file (default: none)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  write_sub
      ->add_option("--flush-interval", command->flush_interval_ms,
                   "How long a line waits for others at most, in ms (default: 10000)")
      ->check(CLI::Range(1u, 86'400'000u))
      ->type_name("MS");
  write_sub->add_flag("--quiet", command->quiet, "No summary on standard error");
  for (CLI::Option* option : write_sub->get_options()) option->allow_extra_args(false);
  write_sub->footer(
      "The input waits while the disk is busy or full; nothing is dropped. NAME.log becomes\n"
      "NAME_TIME_NUMBER.log when it is finished. Exit code 0; 1 something is not as it should be,\n"
      "and what is said; 2 a mistake, or somebody else writes this stream.");
  write_sub->callback([command, &chosen] { chosen = [command] { return write(*command); }; });
}

}  // namespace sluice::cli
