// sluice stream write: standard input into a stream, a line a record.
//
// Nothing is dropped: while there is no room the input waits. SIGINT, SIGTERM and SIGHUP end it as
// the end of the input does, with everything read so far in the file; where there is no room for
// it, that is said, and is exit code 1. A line that is longer than a record can be becomes several,
// which is said and is exit code 1. SIGUSR1 finishes the file; the next line begins another.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/stream_lines.h"
#include "cli/stream_options.h"
#include "cli/stream_prune.h"
#include "os/child.h"
#include "os/io.h"
#include "sluice/stream.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;

struct WriteCommand {
  StreamCommand stream;
  bool quiet = false;
};

// Does what signals ask for. True: to end.
bool take_signals(const os::SignalInbox& signals, Stream& stream) {
  bool to_end = false;
  for (auto signal = signals.next(); signal.number; signal = signals.next()) {
    to_end = to_end || os::is_end_signal(signal.number);
    // The input does not wait for it.
    if (os::is_rotate_signal(signal.number)) (void)stream.rotate(0);
  }
  return to_end;
}

std::string why_it_takes_no_more(const StreamLines& lines) {
  return lines.gave_up()
             ? "ended by a signal while there was no room: what follows of the input is not taken"
             : "the stream takes nothing any more";
}

// What went wrong with the input; empty: nothing. `told_to_end`: by a signal.
std::string pump(StreamLines& lines, const os::SignalInbox& signals, Stream& stream,
                 bool& told_to_end) {
  os::Io& io = os::real_io();
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    const os::Readable ready = os::wait_readable(0, signals.fd(), -1);
    told_to_end = ready.second && take_signals(signals, stream);
    if (told_to_end) break;
    if (!ready.first) continue;
    const i64 got = io.read(0, buffer.data(), buffer.size());
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got < 0) return "cannot read standard input: " + os::error_text(int(got));
    if (got == 0 || !lines.take({buffer.data(), std::size_t(got)})) break;
  }
  lines.finish();
  told_to_end = told_to_end || lines.gave_up();
  return lines.refused() ? why_it_takes_no_more(lines) : "";
}

int write(const WriteCommand& command) {
  // Before the stream's threads, which inherit what it blocks.
  const os::SignalInbox signals;
  auto opened = open_stream(command.stream, StreamOptions().shards);
  if (!opened.ok()) {
    complain(opened.status().message());
    return kUsage;
  }
  Stream& stream = opened.value();
  StreamLines lines(stream, [&] { return take_signals(signals, stream); });
  bool told_to_end = false;
  const std::string trouble = pump(lines, signals, stream, told_to_end);
  const bool good = close_stream(stream, trouble, lines.pieces(), told_to_end);
  if (!command.quiet) complain(summary(stream));
  return good ? kDone : kProblem;
}

}  // namespace

void add_stream(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("stream", "Byte streams: records into files");
  sub->require_subcommand(1);
  CLI::App* const write_sub =
      sub->add_subcommand("write", "Standard input into a stream, a line a record");
  auto command = std::make_shared<WriteCommand>();
  write_sub->add_option("name", command->stream.name, "The stream")->required()->type_name("NAME");
  add_stream_options(*write_sub, command->stream, nullptr);
  write_sub->add_flag("--quiet", command->quiet, "No summary on standard error");
  for (CLI::Option* option : write_sub->get_options()) option->allow_extra_args(false);
  write_sub->footer(
      "The input waits while the disk is busy or full; nothing is dropped. NAME.log becomes\n"
      "NAME_TIME_NUMBER.log when it is finished, also at SIGUSR1. Exit code 0; 1 something is not\n"
      "as it should be, and what is said; 2 a mistake, or somebody else writes this stream.");
  write_sub->callback([command, &chosen] { chosen = [command] { return write(*command); }; });
  add_stream_prune(*sub, chosen);
}

}  // namespace sluice::cli
