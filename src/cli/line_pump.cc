#include "cli/line_pump.h"

#include <algorithm>
#include <cerrno>

#include "cli/command.h"
#include "os/io.h"
#include "os/process.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;

}  // namespace

void LinePump::run(const os::Flag& program_gone) {
  os::set_thread_name(options_.name);
  chunk_.resize(kChunkBytes);
  for (;;) {
    const os::Readable readable = os::wait_readable(options_.from, program_gone.fd(), -1);
    if (readable.first) {
      if (pump_once(kChunkBytes) == 0) break;
    }
    if (readable.second) {
      drain_gone();
      break;
    }
  }
  taker_.finish();
  os::close_descriptor(options_.from);
  // relaxed: joining the thread orders the rest
  finished_.store(true, std::memory_order_relaxed);
}

void LinePump::drain_gone() {
  const i64 deadline = os::monotonic_ns() + kGraceNs;
  for (i64 left = kGraceNs; left > 0; left = deadline - os::monotonic_ns()) {
    if (os::wait_readable(options_.from, -1, left).first && pump_once(kChunkBytes) == 0) return;
  }
  // Just what is there now: whoever still holds the pipe may write for ever.
  i64 left = os::readable_bytes(options_.from);
  while (left > 0) {
    const std::size_t got = pump_once(std::min(std::size_t(left), kChunkBytes));
    if (got == 0) return;
    left -= i64(got);
  }
}

std::size_t LinePump::pump_once(std::size_t bytes_max) {
  i64 got;
  do {
    got = os::real_io().read(options_.from, chunk_.data(), bytes_max);
  } while (got == -EINTR);
  if (got <= 0) return 0;
  const std::string_view bytes(chunk_.data(), std::size_t(got));
  return taker_.take(bytes) && pass_on(bytes) ? bytes.size() : 0;
}

bool LinePump::pass_on(std::string_view bytes) {
  if (passing_on_) {
    const int error = os::write_fully(options_.to, bytes.data(), bytes.size());
    if (error == -EPIPE) return false;
    if (error != 0) {
      passing_on_ = false;
      complain("cannot pass on what the program writes to " + std::string(options_.name) + ": " +
               os::error_text(error) + "; it is recorded on, but shown no more");
    }
  }
  return true;
}

}  // namespace sluice::cli
