#include "cli/wrapped.h"

#include <algorithm>
#include <cerrno>

#include "base/durations.h"
#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::cli {

int Verdict::code() const { return signal != 0 ? kSignalBase + signal : exit_code; }

std::string Verdict::in_words() const { return reason + ", " + std::to_string(code()); }

int Wrapped::start(const std::vector<std::string>& command) {
  began_ns_ = os::monotonic_ns();
  os::Pipe out, error;
  int failed = os::make_pipe(out);
  if (failed == 0) failed = os::make_pipe(error);
  if (failed == 0) failed = os::spawn(command, out.write_end, error.write_end, pid_);
  os::close_descriptor(out.write_end);
  os::close_descriptor(error.write_end);
  if (failed != 0) {
    os::close_descriptor(out.read_end);
    os::close_descriptor(error.read_end);
    return failed;
  }
  from_[0] = out.read_end;
  from_[1] = error.read_end;
  teller_.begin(pid_);
  return 0;
}

Verdict Wrapped::run_to_end(LineTaker& out, LineTaker& error, const TakeSignal& take_signal) {
  pumps_[0] = std::make_unique<LinePump>(PumpOptions{from_[0], 1, "stdout"}, out);
  pumps_[1] = std::make_unique<LinePump>(PumpOptions{from_[1], 2, "stderr"}, error);
  for (int i = 0; i < 2; ++i) {
    threads_[i] = std::thread([this, i] { pumps_[i]->run(program_gone_); });
  }
  os::ChildEnd end;
  bool told_to_end = false;
  while (!end.ended) {
    (void)os::wait_readable(inbox_.fd(), teller_.fd(), teller_.wait_ns());
    teller_.look();
    told_to_end = take_signals(take_signal, &end) || told_to_end;
  }
  teller_.tell(end);
  if (told_to_end) note_told_and_gone();
  program_gone_.raise();
  read_out(take_signal);
  return {end.exit_code, end.signal, end.signal ? os::signal_name(end.signal) : "exited",
          double(os::monotonic_ns() - began_ns_) / double(kNsPerSecond)};
}

bool Wrapped::take_signals(const TakeSignal& take_signal, os::ChildEnd* end) {
  bool told_to_end = false;
  for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
    told_to_end = told_to_end || os::is_end_signal(signal.number);
    if (take_signal && take_signal(signal.number)) continue;
    if (end == nullptr) continue;
    if (os::is_child_signal(signal.number)) {
      *end = os::child_end(pid_, false);
    } else if (!signal.by_kernel) {
      os::send_signal(pid_, signal.number);
    }
  }
  return told_to_end;
}

// A pump can be held up for ever only by a terminal that takes nothing, or a log without room: a
// signal ends that wait.
void Wrapped::read_out(const TakeSignal& take_signal) {
  constexpr i64 kLookNs = 20'000'000;
  bool told_to_end = false;
  while (!told_to_end && !all_is_read()) {
    (void)os::wait_readable(inbox_.fd(), -1, kLookNs);
    told_to_end = take_signals(take_signal, nullptr);
  }
  if (told_to_end) note_told_and_gone();
  for (int i = 0; i < 2; ++i) {
    if (pumps_[i]->finished()) {
      threads_[i].join();
    } else {
      threads_[i].detach();  // the process ends soon; we live as long as that
    }
  }
}

void Wrapped::note_told_and_gone() {
  if (told_to_end_for_ns() > 0) return;
  // relaxed: a time, no data hangs on it
  told_and_gone_ns_.store(os::monotonic_ns(), std::memory_order_relaxed);
}

i64 Wrapped::told_to_end_for_ns() const {
  const i64 since = told_and_gone_ns_.load(std::memory_order_relaxed);
  return since == 0 ? 0 : std::max<i64>(os::monotonic_ns() - since, 1);
}

Verdict not_started(int error, const std::string& program) {
  Verdict verdict;
  const bool missing = error == -ENOENT || error == -ENOTDIR;
  verdict.exit_code = missing ? kNotFound : kNotExecutable;
  verdict.reason = missing ? "not found" : "cannot be executed";
  if (missing) {
    complain("cannot run " + in_quotes(program) +
             ": there is no such program; check the name, or write its path");
  } else {
    complain("cannot run " + in_quotes(program) + ": " + os::error_text(-error) +
             "; is it a program, and executable (chmod +x)?");
  }
  return verdict;
}

}  // namespace sluice::cli
