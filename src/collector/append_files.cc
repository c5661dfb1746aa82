#include "collector/append_files.h"

#include "append/protocol.h"
#include "collector/own_log.h"
#include "os/child.h"

namespace sluice::collector {
namespace {

constexpr u32 kSocketMode = 0660;

append_server::ServiceOptions options_of(const ServeConfig& config) {
  return {.directories = config.append_directories,
          .clients_max = u32(config.append_connections),
          .clients_per_user_max = u32(config.append_connections_per_user),
          .bytes_per_second_per_user = config.append_bytes_per_second_per_user,
          .held_bytes_max = config.append_memory_bytes,
          .rotation_check_ms = u32(config.append_rotation_check_ms),
          .log = [](bool warning, const std::string& text) {
            say(warning ? Level::warning : Level::debug, "append: " + text);
          }};
}

}  // namespace

Result<std::unique_ptr<AppendFiles>> AppendFiles::start(const ServeConfig& config, int passed) {
  std::unique_ptr<AppendFiles> made(new AppendFiles);
  append_server::ServiceOptions options = options_of(config);
  if (passed >= 0) options.listeners.push_back(passed);
  for (const std::string& path : config.append_sockets) {
    auto file =
        os::SocketFile::listen({.path = path, .mode = kSocketMode, .backlog = append::kBacklog});
    if (!file.ok()) {
      for (int& listener : options.listeners) os::close_descriptor(listener);
      return file.status();
    }
    options.listeners.push_back(file.value()->take_listener());
    made->files_.push_back(std::move(file.value()));
  }
  auto service = append_server::Service::start(std::move(options));
  if (!service.ok()) return service.status();
  made->service_ = std::move(service.value());
  return made;
}

Status AppendFiles::set_limits(const ServeConfig& config) {
  return service_->set_limits(options_of(config));
}

std::vector<Figure> AppendFiles::figures() const {
  const append_server::ServiceStats stats = service_->stats();
  return {
      {"clients", Figure::kGauge, stats.clients, "Clients now."},
      {"clients_total", Figure::kCounter, stats.clients_total, "Clients that came."},
      {"clients_refused_total", Figure::kCounter, stats.clients_refused,
       "Clients told to come again: too many, or no descriptor left."},
      {"files_opened_total", Figure::kCounter, stats.files_opened, "Files that were opened."},
      {"open_errors_total", Figure::kCounter, stats.opens_failed,
       "Files that could not be opened."},
      {"written_bytes_total", Figure::kCounter, stats.bytes_written, "Bytes appended to files."},
      {"write_errors_total", Figure::kCounter, stats.writes_failed,
       "Writes and syncs that failed; each ended its client."},
      {"dropped_bytes_total", Figure::kCounter, stats.bytes_dropped,
       "Bytes received from clients whose file had failed, who were told so."},
      {"rotations_total", Figure::kCounter, stats.rotations, "Times a client was told ROTATED."},
      {"rate_waits_total", Figure::kCounter, stats.rate_waits,
       "Times a client was not read for a while: its user was over the rate."},
      {"split_lines_total", Figure::kCounter, stats.lines_split,
       "Pieces of lines written beside other clients' lines."},
      {"held_bytes", Figure::kGauge, stats.held_bytes, "Received, and held until a line is whole."},
      {"hanging", Figure::kGauge, stats.stuck, "Clients whose file does not answer now."}};
}

// The sockets first: whoever looks for a server finds none.
u64 AppendFiles::stop(u64 deadline_ns) {
  files_.clear();
  return service_->stop(deadline_ns);
}

}  // namespace sluice::collector
