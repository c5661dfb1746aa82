#include "collector/daemon.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/durations.h"
#include "collector/own_log.h"
#include "collector/token_file.h"
#include "collector/top_answer.h"
#include "os/io.h"
#include "os/os_error.h"
#include "os/process.h"

namespace sluice::collector {
namespace {

constexpr u64 kSignalToken = 0;
constexpr u64 kAdminToken = 1;
// A stop is over before the manager loses patience, with this much to spare for the last words.
constexpr i64 kStopMarginNs = 1'000'000'000;

// The daemon itself, as far as it has figures of its own.
class OwnLogService final : public Service {
 public:
  [[nodiscard]] std::string_view name() const override { return "own_log"; }
  [[nodiscard]] std::vector<Figure> figures() const override { return own_log_figures(); }
  [[nodiscard]] bool gets_on() override { return true; }  // a stuck store is seen by its figures
  [[nodiscard]] u64 stop(u64 deadline_ns) override {
    return stop_own_log(i64(deadline_ns)) ? 0 : 1;
  }
};

// A store has one name, however it was written; the file itself may not be there yet.
std::string without_links(const std::string& path) {
  const std::string whole = os::resolved_path(path);
  if (!whole.empty()) return whole;
  const std::size_t slash = path.rfind('/');
  const std::string folder = os::resolved_path(path.substr(0, slash == 0 ? 1 : slash));
  return (folder == "/" ? "" : folder) + path.substr(slash);
}

std::string list_of(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

// In one line, as much of them as `systemctl status` shows.
std::string first_of(const std::vector<std::string>& mistakes) {
  const std::string more =
      mistakes.size() > 1 ? " (and " + std::to_string(mistakes.size() - 1) + " more)" : "";
  return mistakes.front() + more;
}

}  // namespace

Daemon::Daemon(ConfigSources sources, ServeConfig config)
    : sources_(std::move(sources)),
      config_(std::move(config)),
      passed_(os::passed_sockets()),
      health_(Watchdog::interval_ns(manager_)),
      watchdog_(services_, health_, manager_) {}

Daemon::~Daemon() {
  for (os::PassedSocket& socket : passed_) os::close_descriptor(socket.fd);
}

Status Daemon::start() {
  started_ns_ = os::monotonic_ns();
  (void)poll_.add(signals_.fd(), os::kReadable, os::SocketPoll::kLevel, kSignalToken);
  // First: it is what keeps two of them apart.
  Status status = start_admin();
  if (status.ok()) status = start_services();
  if (status.ok()) status = start_append();
  if (status.ok()) status = start_http();
  if (!status.ok()) {
    (void)stop();
    return status;
  }
  for (const os::PassedSocket& socket : passed_) {
    if (socket.fd < 0) continue;
    say(Level::warning,
        "a socket named '" + socket.name +
            "' was passed and is not used: FileDescriptorName= is admin, ingest, append or http");
  }
  watchdog_.look(os::monotonic_ns());
  say(Level::info, "started: " + places());
  manager_.ready(places());
  return {};
}

Status Daemon::start_admin() {
  int listener = take_passed("admin");
  if (listener < 0) {
    auto file = os::SocketFile::listen({.path = config_.admin_socket, .mode = 0600});
    if (!file.ok()) return file.status();
    admin_file_ = std::move(file.value());
    listener = admin_file_->take_listener();
  }
  admin_.emplace(
      AdminServer::Options{
          .listener = listener,
          .user = os::user_id(),
          .answer = [this](std::string_view command) { return answer_admin(command); }},
      poll_, kAdminToken);
  return {};
}

Status Daemon::start_services() {
  const std::string folder = config_.store_path.substr(0, config_.store_path.rfind('/'));
  if (const int error = make_directories(os::real_io(), folder); error < 0) {
    return failed(ErrorClass::kFatal, folder, "cannot be made", error);
  }
  Status status = start_own_log(config_);
  if (!status.ok()) return status;
  services_.push_back(std::make_unique<OwnLogService>());
  return start_regions();
}

Status Daemon::start_regions() {
  int listener = take_passed("ingest");
  if (listener < 0) {
    auto file = os::SocketFile::listen({.path = config_.ingest_socket, .mode = 0660});
    if (!file.ok()) return file.status();
    ingest_file_ = std::move(file.value());
    listener = ingest_file_->take_listener();
  }
  std::vector<std::string> directories = config_.ingest_region_directories;
  const std::string of_programs = os::environment("SLUICE_REGION_DIRECTORY");
  if (directories.empty() && !of_programs.empty()) directories.push_back(of_programs);
  auto drainer = Drainer::start(
      {.store = without_links(config_.store_path),
       .directories = std::move(directories),
       .listener = listener,
       .say = [](std::string_view sentence) { collector::say(Level::warning, sentence); }});
  if (!drainer.ok()) return drainer.status();
  drainer_ = drainer.value().get();
  services_.push_back(std::move(drainer.value()));
  return {};
}

Status Daemon::start_append() {
  const int passed = take_passed("append");
  if (passed < 0 && config_.append_sockets.empty()) return {};
  auto started = AppendFiles::start(config_, passed);
  if (!started.ok()) return started.status();
  append_ = started.value().get();
  services_.push_back(std::move(started.value()));
  return {};
}

Status Daemon::start_http() {
  const int listener = take_passed("http");
  if (listener < 0 && config_.http_listen == "off") return {};
  auto made = HttpService::make(config_, listener);
  if (!made.ok()) return made.status();
  http_ = made.value().get();
  services_.push_back(std::move(made.value()));
  return http_->start([this](std::string_view path) {
    return answer_page(path, services_, health_, started_ns_, os::monotonic_ns());
  });
}

int Daemon::take_passed(std::string_view name) {
  for (os::PassedSocket& socket : passed_) {
    if (socket.name == name) return std::exchange(socket.fd, -1);
  }
  return -1;
}

std::string Daemon::places() const {
  std::string text = "stores into " + config_.store_path;
  if (http_ != nullptr) text += ", answers http on port " + std::to_string(http_->port());
  return text + ", obeys " + (admin_file_ ? admin_file_->path() : "the admin socket it was passed");
}

u64 Daemon::run() {
  const i64 interval_ns = Watchdog::interval_ns(manager_);
  i64 next_look_ns = os::monotonic_ns() + interval_ns;
  while (true) {
    const i64 now_ns = os::monotonic_ns();
    if (now_ns >= next_look_ns) {
      watchdog_.look(now_ns);
      next_look_ns = now_ns + interval_ns;
    }
    const i64 expiry_ns = admin_->expire(now_ns);
    const i64 wait_ns = next_look_ns - now_ns;
    os::SocketPoll::Event events[16];
    const int count = poll_.wait(events, expiry_ns < 0 ? wait_ns : std::min(wait_ns, expiry_ns));
    for (int i = 0; i < count; ++i) {
      if (events[i].token != kSignalToken) admin_->on_event(events[i], os::monotonic_ns());
    }
    if (!obey_signals()) return stop();
  }
}

bool Daemon::obey_signals() {
  while (true) {
    const os::SignalInbox::Signal signal = signals_.next();
    if (signal.number == 0) return true;
    if (os::is_hang_up_signal(signal.number) && !signal.by_kernel) {
      (void)reload();
    } else if (os::is_end_signal(signal.number)) {
      say(Level::info, os::signal_name(signal.number) + ": stops");
      return false;
    }
  }
}

u64 Daemon::stop() {
  const i64 allowed_ns = i64(config_.stop_deadline_ms) * kNsPerMs;
  const i64 end_ns = os::monotonic_ns() + allowed_ns;
  manager_.stopping("writes what has come");
  manager_.extend_timeout(allowed_ns + kStopMarginNs);
  // The last first: the pages show the others. The daemon's own log is the first and hears of all.
  // Of the time that is left each has an equal share, so that one that hangs leaves some to others.
  u64 left = 0;
  for (auto service = services_.rbegin(); service != services_.rend(); ++service) {
    const i64 now_ns = os::monotonic_ns();
    const i64 share_ns = std::max<i64>(end_ns - now_ns, 0) / (services_.rend() - service);
    const u64 undone = (*service)->stop(u64(now_ns + share_ns));
    if (undone != 0) {
      say(Level::error, std::string((*service)->name()) + ": " + std::to_string(undone) +
                            " left undone at the deadline");
    }
    left += undone;
  }
  return left;
}

std::string Daemon::reload() {
  manager_.reloading("reads its configuration again");
  ServeConfig config;
  std::vector<std::string> mistakes = read_config(sources_, config);
  Result<std::string> token = read_token(config.http_token_file);
  // Changed since read_config() has looked at it.
  if (!token.ok() && mistakes.empty()) mistakes.push_back(token.status().message());
  if (mistakes.empty() && append_ != nullptr) {
    const Status status = append_->set_limits(config);
    if (!status.ok()) mistakes.push_back("append.directories: " + status.message());
  }
  nlohmann::ordered_json answer;
  answer["ok"] = mistakes.empty();
  if (!mistakes.empty()) {
    for (const std::string& mistake : mistakes) say(Level::error, "not reloaded: " + mistake);
    answer["error"] = "the configuration is wrong, and nothing was changed";
    answer["mistakes"] = mistakes;
    manager_.ready("not reloaded: " + first_of(mistakes));
  } else {
    const ConfigChange change = changes(config_, config);
    apply(config, std::move(token.value()));
    std::string said = "reloaded";
    if (!change.live.empty()) said += "; changed: " + list_of(change.live);
    if (!change.restart.empty()) said += "; only after a restart: " + list_of(change.restart);
    say(change.restart.empty() ? Level::info : Level::warning, said);
    answer["changed"] = change.live;
    answer["after_restart"] = change.restart;
    manager_.ready(said);
  }
  return answer.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void Daemon::apply(const ServeConfig& config, std::string token) {
  if (config.log_level != config_.log_level) set_own_level(config.log_level);
  if (http_ != nullptr) http_->set_token(std::move(token));
  for (const Setting& setting : settings()) {
    if (setting.live) copy_value(setting, config, config_);
  }
}

std::string Daemon::answer_admin(std::string_view command) {
  if (command == "status") {
    return status_object(services_, health_, started_ns_, os::monotonic_ns())
        .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  if (command == "top") {
    try {
      u64 left_out = 0;
      std::vector<RegionWatch::Look> looks = drainer_->looks(left_out);
      return top_answer(std::move(looks), left_out, kAdminAnswerMax - 1);
    } catch (const std::bad_alloc&) {
      return admin_error("no memory for an answer");
    }
  }
  if (command == "reload") return reload();
  return admin_error("there are status, top and reload");
}

}  // namespace sluice::collector
