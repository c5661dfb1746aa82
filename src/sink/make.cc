#include "sink/make.h"

#include <algorithm>
#include <cerrno>

#include "base/fixed_text.h"
#include "os/os_error.h"
#include "os/process.h"
#include "sink/callback_sink.h"
#include "sink/console_sink.h"
#include "sink/file_sink.h"
#include "sink/make_store.h"
#include "sink/message_sink.h"
#include "sink/segment_sink.h"
#include "sink/sink_table.h"

namespace sluice::sink {
namespace {

using MadeSink = Result<std::unique_ptr<back::Sink>>;

// What is there must be ours to write. So must be the folder of a file, since others are made
// beside it, and the folder in which a missing one will be made.
Status check_rights(const std::string& wanted, bool file) {
  std::string path = wanted;
  int error = os::may_write(path.c_str());
  bool look_above = error == -ENOENT || (error == 0 && file);
  while (look_above && path.size() > 1) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) break;
    path.resize(std::max<std::size_t>(slash, 1));
    error = os::may_write(path.c_str());
    look_above = error == -ENOENT;
  }
  if (os::is_kernel_filesystem(path.c_str())) {
    return fatal(wanted + ": " + path +
                 " is a file system of the kernel and holds no files of programs; choose another "
                 "path");
  }
  if (error == 0 || class_of_open_error(error) != ErrorClass::kDisableSink) return {};
  return failed(ErrorClass::kFatal, path, "cannot be written", error);
}

// What stands at the path must be of the right kind; what is missing is made later.
Status check_place(const back::SinkConfig& config, os::Io& io) {
  const bool file = config.kind != SinkKind::segments;
  os::FileInfo info;
  const int error = io.stat(config.path.c_str(), info);
  if (error == -ENOENT) return check_rights(config.path, file);
  if (error < 0) {
    // What may pass is left to open(), which is tried again.
    if (class_of_open_error(error) != ErrorClass::kDisableSink) return {};
    return failed(ErrorClass::kFatal, config.path, "cannot be looked at", error);
  }
  if (file && !info.regular) {
    return fatal(config.path +
                 ": is there and not a regular file; name another (for a terminal "
                 "or a pipe use the console sink; links are not followed)");
  }
  if (!file && !info.directory) {
    return fatal(config.path + ": is there and not a directory; segments need one");
  }
  return check_rights(config.path, file);
}

MadeSink make_file(const back::SinkConfig& config, os::Io& io) {
  if (config.kind == SinkKind::json_lines) {
    return std::unique_ptr<back::Sink>(new FileSink(config, io, make_json_format(config.schema)));
  }
  if (config.kind == SinkKind::logfmt) {
    return std::unique_ptr<back::Sink>(new FileSink(config, io, make_logfmt_format()));
  }
  Result<std::unique_ptr<LineFormat>> format =
      make_text_format(config.pattern, config.color == Color::always);
  if (!format.ok()) return format.status();
  return std::unique_ptr<back::Sink>(new FileSink(config, io, std::move(format.value())));
}

MadeSink make_console(const back::SinkConfig& config, os::Io& io) {
  const auto format_for = [&config](int fd) {
    return make_text_format(config.pattern, ConsoleSink::wants_color(config.color, fd));
  };
  Result<std::unique_ptr<LineFormat>> out = format_for(ConsoleSink::kOut);
  Result<std::unique_ptr<LineFormat>> error = format_for(ConsoleSink::kError);
  if (!out.ok()) return out.status();
  if (!error.ok()) return error.status();
  return std::unique_ptr<back::Sink>(
      new ConsoleSink(config, io, std::move(out.value()), std::move(error.value())));
}

}  // namespace

Status check_sink(const back::SinkConfig& config, os::Io& io) {
  Status status = check_config(config);
  if (!status.ok()) return status;
  switch (config.kind) {
    case SinkKind::callback:
      return config.callback ? Status() : fatal("a callback sink without a function");
    case SinkKind::console:
      return make_text_format(config.pattern, false).status();
    case SinkKind::text:
      status = make_text_format(config.pattern, false).status();
      break;
    case SinkKind::syslog:
    case SinkKind::journald:
      return check_receiver(config);
    case SinkKind::json_lines:
    case SinkKind::logfmt:
    case SinkKind::segments:
    case SinkKind::store:
      break;
  }
  if (status.ok()) status = check_place(config, io);
  if (status.ok() && config.kind == SinkKind::store) status = check_store(config.path);
  return status;
}

MadeSink make_sink(const back::SinkConfig& config, os::Io& io, region::Region& region) {
  Status status = check_sink(config, io);
  if (!status.ok()) return status;
  switch (config.kind) {
    case SinkKind::console:
      return make_console(config, io);
    case SinkKind::callback:
      return std::unique_ptr<back::Sink>(new CallbackSink(config));
    case SinkKind::text:
    case SinkKind::json_lines:
    case SinkKind::logfmt:
      return make_file(config, io);
    case SinkKind::syslog:
    case SinkKind::journald:
      return std::unique_ptr<back::Sink>(new MessageSink(config, io));
    case SinkKind::store:
      return make_store(config, io);
    case SinkKind::segments:
      break;
  }
  back::SinkConfig named = config;
  if (named.name.empty()) named.name = field_text(region.header().product);
  return std::unique_ptr<back::Sink>(new SegmentSink(named, io));
}

}  // namespace sluice::sink
