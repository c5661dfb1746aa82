#include "sink/console_sink.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "os/os_error.h"
#include "os/pipe.h"
#include "os/process.h"

namespace sluice::sink {
namespace {

constexpr std::string_view kName = "console";

std::string_view stream_name(int fd) {
  return fd == ConsoleSink::kOut ? "standard output" : "standard error";
}

}  // namespace

bool ConsoleSink::wants_color(Color color, int fd) {
  if (color != Color::automatic) return color == Color::always;
  return os::is_terminal(fd) && os::environment("NO_COLOR").empty() &&
         os::environment("TERM") != "dumb";
}

ConsoleSink::ConsoleSink(const back::SinkConfig& config, os::Io& io,
                         std::unique_ptr<LineFormat> out, std::unique_ptr<LineFormat> error)
    : io_(io),
      stderr_level_(config.stderr_level),
      selection_(config),
      streams_{{kOut, std::move(out)}, {kError, std::move(error)}} {}

Status ConsoleSink::write(Batches batches, back::Catalog& catalog, back::Cursor& cursor) {
  for (const BatchView& batch : batches) {
    Status status = write_batch(batch, catalog, cursor);
    if (!status.ok()) return status;
  }
  return {};
}

Status ConsoleSink::write_batch(const BatchView& batch, back::Catalog& catalog,
                                back::Cursor& cursor) {
  // What is left of a line comes first, whatever has become of its batch.
  Status status = write_run(cursor);
  if (!status.ok()) return status;
  if (missed_now_ > 0) {
    append(selection_.gap(catalog, kName, missed_now_, missed_in_all_), streams_[1]);
    next_sequence_ = cursor.sequence();
    missed_now_ = 0;
  }
  u64 filtered = 0;
  const auto take = [&](const Item& item) {
    Stream& stream = streams_[item.entry.site.level >= stderr_level_ ? 1 : 0];
    if (run_ != &stream) {
      status = write_run(cursor);
      if (!status.ok()) return false;
    }
    counts_.filtered += std::exchange(filtered, 0);
    append(item.entry, stream);
    const bool gone = stream.closed;
    counts_.delivered += gone ? 0 : item.counts.delivered;
    counts_.dropped_error += item.counts.dropped_error + (gone ? item.counts.delivered : 0);
    next_sequence_ = item.next_sequence;
    return true;
  };
  if (!selection_.walk(batch, catalog, cursor.sequence(), filtered, take)) return status;
  counts_.filtered += filtered;
  next_sequence_ = batch.next_sequence();
  if (run_ == nullptr) run_ = &streams_[0];
  status = write_run(cursor);
  if (status.ok() && !report_.empty()) {
    return {ErrorClass::kRetryable, std::exchange(report_, {}), EPIPE};
  }
  return status;
}

void ConsoleSink::append(const Entry& entry, Stream& stream) {
  run_ = &stream;
  if (!stream.closed) (void)stream.format->append(entry, text_);
}

Status ConsoleSink::write_run(back::Cursor& cursor) {
  if (run_ == nullptr) return {};
  Status status = write_out(*run_);
  if (!status.ok()) return status;
  run_ = nullptr;
  written_ = 0;
  text_.clear();
  // The runner may have gone on without us.
  cursor.passed(std::max(next_sequence_, cursor.sequence()), std::exchange(counts_, {}));
  return {};
}

Status ConsoleSink::write_out(Stream& stream) {
  const os::NoPipeSignal no_signal;
  while (!stream.closed && written_ < text_.text().size()) {
    const std::string_view rest = text_.text().substr(written_);
    const i64 result = io_.write(stream.fd, rest.data(), rest.size());
    if (result > 0) {
      written_ += std::size_t(result);
      continue;
    }
    if (result == -EINTR) continue;
    if (result == -EAGAIN) {
      const int ready = os::wait_writable(stream.fd, kWaitNs);
      if (ready > 0) continue;
      return failed(ErrorClass::kRetryable, stream_name(stream.fd), "takes nothing", -EAGAIN);
    }
    if (class_of_write_error(int(result)) == ErrorClass::kRetryable) {
      return failed(ErrorClass::kRetryable, stream_name(stream.fd), "cannot write", int(result));
    }
    stream.closed = true;
    counts_.dropped_error += std::exchange(counts_.delivered, 0);
    report_ = failed(ErrorClass::kRetryable, stream_name(stream.fd), "closed, its lines are lost",
                     result == 0 ? -EIO : int(result))
                  .message();
  }
  return {};
}

Status ConsoleSink::write_gap(u64 missed_now, u64 missed_in_all) {
  missed_now_ += missed_now;
  missed_in_all_ = missed_in_all;
  return {};
}

}  // namespace sluice::sink
