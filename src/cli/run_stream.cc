#include "cli/run_stream.h"

#include "cli/command.h"
#include "cli/stream_lines.h"

namespace sluice::cli {
namespace {

// How long a stream without room is waited for, once the program has gone and a signal asked us to
// end.
constexpr i64 kRoomNs = 5'000'000'000;

}  // namespace

int run_into_stream(Wrapped& wrapped, const std::vector<std::string>& command,
                    const StreamCommand& into, bool quiet) {
  // One lane: lines of both pipes stand in the order in which they were read.
  auto opened = open_stream(into, 1);
  if (!opened.ok()) {
    complain(opened.status().message());
    return kUsage;
  }
  // Never destroyed, as what is wrapped: a pump that is held up may still use them at the end.
  static Stream& stream = *new Stream(std::move(opened.value()));
  const auto give_up = [&wrapped] { return wrapped.told_to_end_for_ns() > kRoomNs; };
  static StreamLines& out = *new StreamLines(stream, give_up);
  static StreamLines& error = *new StreamLines(stream, give_up);
  Verdict verdict;
  if (const int failed = wrapped.start(command); failed != 0) {
    verdict = not_started(failed, command[0]);
  } else {
    verdict = wrapped.run_to_end(out, error, [](int signal) {
      if (!os::is_rotate_signal(signal)) return false;
      (void)stream.rotate(0);  // nobody waits for it
      return true;
    });
  }
  const bool whole =
      wrapped.pid() == 0 || (wrapped.all_is_read() && !out.refused() && !error.refused());
  const std::string trouble =
      whole ? "" : "ended by a signal: the stream had no room for all that the program said";
  (void)close_stream(stream, trouble, out.pieces() + error.pieces(),
                     wrapped.told_to_end_for_ns() > 0);
  if (!quiet && wrapped.pid() != 0) {
    complain("the program ended (" + verdict.in_words() + "), " + summary(stream));
  }
  return verdict.code();
}

}  // namespace sluice::cli
