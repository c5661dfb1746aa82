// `sluice serve`: puts the services together and looks after them until it is asked to stop.
//
//   main thread   signals, the admin socket, the watchdog, reloads
//   services      each has threads of its own (collector/service.h)
//
// A service is started before the page that shows it, and stopped after. SIGTERM and SIGINT stop;
// SIGHUP reads the configuration again: what can be applied at once is, for the rest it is said
// that a restart is needed, and a wrong one changes nothing. A SIGHUP of a terminal that has gone
// stops.
//
// Failure: what cannot be started is a Status, and nothing is left running. A service that does not
// stop until the deadline is left: then the process must be ended at once.
#ifndef SLUICE_SRC_COLLECTOR_DAEMON_H_
#define SLUICE_SRC_COLLECTOR_DAEMON_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/admin.h"
#include "collector/append_files.h"
#include "collector/config.h"
#include "collector/drainer.h"
#include "collector/http_service.h"
#include "collector/status_page.h"
#include "collector/watchdog.h"
#include "os/child.h"
#include "os/service_manager.h"
#include "os/socket_file.h"

namespace sluice::collector {

class Daemon {
 public:
  // `sources` are read again by a reload; `config` is what they say now.
  Daemon(ConfigSources sources, ServeConfig config);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Before the process has any other thread.
  [[nodiscard]] Status start();
  // Until a signal ends it. How much was left undone: then end by os::exit_now().
  [[nodiscard]] u64 run();
  // For whoever starts it: where it listens and what it writes.
  [[nodiscard]] std::string places() const;

 private:
  [[nodiscard]] Status start_services();
  [[nodiscard]] Status start_admin();
  [[nodiscard]] Status start_append();
  [[nodiscard]] Status start_regions();
  [[nodiscard]] Status start_http();
  // The socket of this name that was passed; -1: none.
  [[nodiscard]] int take_passed(std::string_view name);
  [[nodiscard]] u64 stop();

  // Signals that have come; false: one of them ends the daemon.
  [[nodiscard]] bool obey_signals();
  [[nodiscard]] std::string reload();
  void apply(const ServeConfig& config, std::string token);
  [[nodiscard]] std::string answer_admin(std::string_view command);

  const ConfigSources sources_;
  ServeConfig config_;
  const os::SignalInbox signals_;
  const os::ServiceManager manager_;
  std::vector<os::PassedSocket> passed_;
  i64 started_ns_ = 0;

  Services services_;  // in the order of their start; unchanged while the pages are answered
  Drainer* drainer_ = nullptr;
  HttpService* http_ = nullptr;
  AppendFiles* append_ = nullptr;
  Health health_;
  Watchdog watchdog_;
  os::SocketPoll poll_;
  std::unique_ptr<os::SocketFile> admin_file_;
  std::unique_ptr<os::SocketFile> ingest_file_;
  std::optional<AdminServer> admin_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_DAEMON_H_
