// sluice append: standard input to the end of a file, through an append service.
//
// Exit code 0: the service has confirmed that all of it is in the file; 1: it has not, and what it
// said, or what is wrong, stands on standard error; 2: a mistake in the command line. A service
// that is slow makes the writer of the pipe wait; nothing is left out.
#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <vector>

#include "cli/command.h"
#include "os/io.h"
#include "sluice/append.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
constexpr u64 kBufferBytes = u64{4} << 20;

struct AppendCommand {
  std::string file;
  ProxyOptions options;
};

// All of `piece`, waiting for room. False: the service takes no more.
bool append_all(ProxyFile& file, std::string_view piece, u32 timeout_ms) {
  for (;;) {
    switch (file.write(piece)) {
      case Admission::kOk:
        return true;
      case Admission::kDroppedFull:
        if (file.wait_for_room(piece.size(), timeout_ms)) break;
        if (file.status().ok()) {
          complain("the service has taken no bytes for " + std::to_string(timeout_ms) +
                   " ms; --timeout waits longer");
        }
        return false;
      default:
        return false;
    }
  }
}

int run_append(const AppendCommand& command) {
  Result<ProxyFile> opened = ProxyFile::open(command.file, command.options);
  if (!opened.ok()) {
    complain(opened.status().message());
    return kProblem;
  }
  ProxyFile& file = opened.value();
  std::vector<char> piece(kPieceBytes);
  bool whole = true;
  while (whole) {
    const i64 count = os::real_io().read(0, piece.data(), piece.size());
    if (count == -EINTR) continue;
    if (count < 0) complain("cannot read standard input: " + os::error_text(int(-count)));
    whole = count >= 0;
    if (count <= 0) break;
    whole = append_all(file, {piece.data(), std::size_t(count)}, command.options.timeout_ms);
  }
  const Status ended = file.close();
  if (!ended.ok()) complain(ended.message());
  return whole && ended.ok() ? kDone : kProblem;
}

}  // namespace

void add_append(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<AppendCommand>();
  command->options.buffer_bytes = kBufferBytes;
  CLI::App* const sub =
      app.add_subcommand("append", "Append standard input to a file, through an append service");
  sub->add_option("FILE", command->file, "The file; a relative one is in this directory")
      ->required();
  sub->add_option("--socket,-s", command->options.socket, "The socket of the service")
      ->capture_default_str();
  sub->add_option("--timeout", command->options.timeout_ms,
                  "Give up when nothing has moved for so many milliseconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 86'400'000));
  sub->add_flag("--sync", command->options.sync_at_end,
                "Confirmed means on the disk; an original offlog server cannot");
  sub->callback([command, &chosen] { chosen = [command] { return run_append(*command); }; });
}

}  // namespace sluice::cli
