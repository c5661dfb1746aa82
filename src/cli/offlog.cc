// sluice offlog: the append service alone, in place of offlog's server and with its options.
//
// SIGTERM and SIGINT end it: it takes no more clients, tells those there are, and writes what they
// have sent. Exit code 0, also where a file did not answer until the deadline, which it says; 1: it
// could not start; 2: a mistake in the command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "append/protocol.h"
#include "append_server/service.h"
#include "base/durations.h"
#include "cli/command.h"
#include "cli/offlog_log.h"
#include "os/child.h"
#include "os/path.h"
#include "os/process.h"
#include "os/process_watch.h"
#include "os/service_manager.h"
#include "os/socket_file.h"

namespace sluice::cli {
namespace {

constexpr u32 kSocketMode = 0777;  // less the umask
constexpr i64 kLogNs = 1000 * kNsPerMs;
// Of the time for a stop, what is kept for the log: it tells what became of the clients.
constexpr i64 kLogShare = 5;

struct OfflogCommand {
  bool notify = false;
  std::string socket = std::string(append::kDefaultSocket);
  std::string log_file;
  u32 rotation_check_ms = 5000;
  u32 stop_deadline_ms = 5000;
  std::vector<std::string> directories;
  u32 clients_per_user = 0;
};

void wait_for_end(const os::SignalInbox& signals) {
  while (true) {
    (void)os::wait_readable(signals.fd(), -1, -1);
    for (auto signal = signals.next(); signal.number != 0; signal = signals.next()) {
      if (os::is_end_signal(signal.number)) return;
    }
  }
}

// Ends the process at once where a file hangs: its turn still uses the service.
int serve(const OfflogCommand& command, const os::SignalInbox& signals, OfflogLog& log) {
  log.add(false, "This is offlog server");
  auto file = os::SocketFile::listen({.path = os::absolute_path(command.socket),
                                      .mode = kSocketMode,
                                      .backlog = append::kBacklog,
                                      .shared_directory = true});
  if (!file.ok()) {
    complain(file.status().message());
    return kProblem;
  }
  append_server::ServiceOptions options{
      .listeners = {file.value()->take_listener()},
      .directories = command.directories,
      .clients_per_user_max = command.clients_per_user,
      .rotation_check_ms = command.rotation_check_ms,
      .log = [&log](bool warning, const std::string& text) { log.add(warning, text); }};
  for (std::string& directory : options.directories) directory = os::absolute_path(directory);
  auto service = append_server::Service::start(std::move(options));
  if (!service.ok()) {
    complain(service.status().message());
    return kProblem;
  }
  log.add(false, "Listening on socket " + command.socket);
  if (command.notify) (void)os::ServiceManager().ready("listens on " + command.socket);
  wait_for_end(signals);
  log.add(false, "Received signal, shutting down");
  // Before the clients are told: whoever looks for a server finds none.
  file.value().reset();
  const i64 stop_ns = i64(command.stop_deadline_ms) * kNsPerMs;
  const i64 end_ns = os::monotonic_ns() + stop_ns;
  const u64 left = service.value()->stop(u64(end_ns - stop_ns / kLogShare));
  log.add(false, "Exit");
  const bool said = log.stop(std::min(end_ns, os::monotonic_ns() + kLogNs));
  if (!said || left != 0) os::exit_now(kDone);
  return kDone;
}

int run(const OfflogCommand& command) {
  const os::SignalInbox signals;  // before any thread, which inherits what it blocks
  os::raise_descriptor_limit();
  os::ignore_broken_pipes();
  OfflogLog log;
  if (Status status = log.start(command.log_file); !status.ok()) {
    complain(status.message());
    return kProblem;
  }
  const int code = serve(command, signals, log);
  if (!log.stop(os::monotonic_ns() + kLogNs)) os::exit_now(code);
  return code;
}

}  // namespace

void add_offlog(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("offlog", "Appends to files for others, in place of offlog's server");
  auto command = std::make_shared<OfflogCommand>();
  sub->add_flag("-n,--notify", command->notify, "Tell systemd when it listens");
  sub->add_option("-s,--socket-file", command->socket, "Where it listens")
      ->type_name("PATH")
      ->capture_default_str();
  sub->add_option("-l,--logfile", command->log_file, "Its own log, besides standard output")
      ->type_name("PATH");
  sub->add_option("-r,--rotate-check-interval", command->rotation_check_ms,
                  "How often it looks whether a file was renamed or removed")
      ->type_name("MS")
      ->check(CLI::Range(10, 3'600'000))
      ->capture_default_str();
  sub->add_option("--directory", command->directories,
                  "Append only in this directory and below (may be given again)")
      ->type_name("DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  sub->add_option("--clients-per-user", command->clients_per_user,
                  "Clients of one user at once (0: no bound)")
      ->type_name("N");
  sub->add_option("--stop-deadline", command->stop_deadline_ms,
                  "How long it may take to write what clients have sent when it ends")
      ->type_name("MS")
      ->check(CLI::Range(0, 3'600'000))
      ->capture_default_str();
  sub->footer(
      "The protocol is docs/formats/append_protocol.md. Exit code 0 when it was asked to end,\n"
      "also where a file did not answer until the deadline, which it says; 1 it could not start;\n"
      "2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return run(*command); }; });
}

}  // namespace sluice::cli
