// sluice demo: a small shop that logs, counts and fails now and then, to try the other commands on.
//
// Exit code 0; 1 the store could not be written; 2 for a mistake in the command line.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <memory>
#include <random>
#include <thread>

#include "base/durations.h"
#include "cli/command.h"
#include "os/child.h"
#include "os/process.h"
#include "sluice/histogram.h"
#include "sluice/run.h"
#include "sluice/sluice.h"

namespace sluice::cli {
namespace {

constexpr u32 kWorkers = 3;
constexpr const char* kRoutes[] = {"/", "/cart", "/search", "/checkout"};

struct DemoCommand {
  std::string store = "demo.db";
  double seconds = 5;
  double rate = 100;
  bool quiet = false;
};

Logger g_http{"demo.http"};
Logger g_database{"demo.database"};

// One thread of the shop's.
class Worker {
 public:
  Worker(u32 number, double rate) : random_(number + 1), pause_ns_(i64(1e9 * kWorkers / rate)) {}

  void work_until(i64 end_ns, const std::atomic<bool>& stopped) {
    // relaxed: nothing but the word
    while (os::monotonic_ns() < end_ns && !stopped.load(std::memory_order_relaxed)) {
      serve();
      os::sleep_ns(std::min(pause_ns_, end_ns - os::monotonic_ns()));
    }
  }

 private:
  void serve() {
    const u64 route = random_() % std::size(kRoutes);
    const double seconds = durations_(random_) * double(1 + route);
    const u64 user = 1000 + random_() % 50;
    const Context request(kv("request", ++requests_), kv("route", kRoutes[route]));
    open_.add(1);
    served_[route].add();
    duration_[route].observe(seconds);
    SLUICE_LOGGER_INFO(g_http, "GET {path} for {user} in {ms:.1f} ms", kRoutes[route], user,
                       seconds * 1e3);
    if (seconds > 0.2) SLUICE_LOGGER_WARNING(g_http, "slow request", kv("ms", seconds * 1e3));
    if (random_() % 97 == 0) {
      SLUICE_LOGGER_ERROR(g_database, "no connection to {host}, attempt {n}", "db-1", 3);
    }
    if (route == 3) {
      SLUICE_EVENT("order.placed", kv("user", user), kv("total", double(random_() % 9000) / 100));
    }
    open_.add(-1);
  }

  std::mt19937 random_;
  const i64 pause_ns_;
  std::lognormal_distribution<double> durations_{-3.5, 0.8};
  u64 requests_ = 0;
  UpDownCounter open_{"http.connections"};
  Counter served_[4] = {{"http.requests", "1", {{"route", kRoutes[0]}}},
                        {"http.requests", "1", {{"route", kRoutes[1]}}},
                        {"http.requests", "1", {{"route", kRoutes[2]}}},
                        {"http.requests", "1", {{"route", kRoutes[3]}}}};
  Histogram duration_[4] = {{"http.duration", "s", {{"route", kRoutes[0]}}},
                            {"http.duration", "s", {{"route", kRoutes[1]}}},
                            {"http.duration", "s", {{"route", kRoutes[2]}}},
                            {"http.duration", "s", {{"route", kRoutes[3]}}}};
};

void run_shop(const DemoCommand& command, os::SignalInbox& inbox) {
  SLUICE_PARAM("workers", kWorkers);
  SLUICE_PARAM("rate", command.rate);
  tags({"demo"});
  std::atomic<bool> stopped{false};
  const i64 from = os::monotonic_ns(), end = from + i64(command.seconds * double(kNsPerSecond));
  std::vector<std::thread> workers;
  for (u32 i = 0; i < kWorkers; ++i) {
    workers.emplace_back(
        [&command, &stopped, i, end] { Worker(i, command.rate).work_until(end, stopped); });
  }
  for (i64 now = from; now < end; now = os::monotonic_ns()) {
    const double t = double(now - from) / 1e9;
    SLUICE_TRACK("courier", kv("x", std::cos(t)), kv("y", std::sin(t)));
    SLUICE_STATE(kv("open_orders", int(t * 3) % 17), kv("courier", "on the way"));
    (void)os::wait_readable(inbox.fd(), -1, std::min(kNsPerSecond / 10, end - now));
    const auto signal = inbox.next();
    if (signal.number != 0 && os::is_end_signal(signal.number)) {
      SLUICE_NOTICE("told to stop");
      break;
    }
  }
  stopped.store(true, std::memory_order_relaxed);
  for (std::thread& worker : workers) worker.join();
}

int demo(const DemoCommand& command) {
  std::vector<std::string> mistakes;
  if (!(command.seconds > 0 && command.seconds <= 86'400)) {
    mistakes.push_back("--seconds: write a number above 0, 86400 at most");
  }
  if (!(command.rate > 0 && command.rate <= 1e6)) {
    mistakes.push_back("--rate: write a number above 0, 1000000 at most");
  }
  if (!mistakes.empty()) return refuse(mistakes);
  os::SignalInbox inbox;  // before there are threads
  Options options{.product = "demo",
                  .sinks = {store_file(command.store, {.full_text = true})},
                  .metrics_interval_ms = 1000,
                  .quiet = true};
  if (!command.quiet) options.sinks.push_back(console({.stderr_level = Level::off}));
  if (!start(options)) {
    complain(last_error());
    return kUsage;
  }
  run_shop(command, inbox);
  if (!stop()) {
    complain(last_error());
    return kProblem;
  }
  const std::string store = printable(command.store);
  Output output;
  output.write(fmt::format(R"(
Now, for instance:
  sluice logs --store {0} --level warning
  sluice logs --store {0} --match "slow OR connection"
  sluice metrics --store {0} http.duration --agg p50,p99 --every 1s
  sluice runs --store {0} --tag demo
  sluice query --store {0} "SELECT event, count(*) FROM records GROUP BY event"
and, while `sluice demo --seconds 60` runs in another terminal:
  sluice top demo
  sluice level demo demo.http debug
  sluice tail --store {0}
)",
                           store));
  output.flush();
  return output.exit_code();
}

}  // namespace

void add_demo(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("demo", "Run a small shop that logs, to try the other commands on");
  auto command = std::make_shared<DemoCommand>();
  sub->add_option("--store", command->store, "Where it logs to, besides the terminal (demo.db)")
      ->type_name("FILE");
  sub->add_option("--seconds", command->seconds, "How long it runs (5)")->type_name("S");
  sub->add_option("--rate", command->rate, "Requests a second (100)")->type_name("N");
  sub->add_flag("--quiet", command->quiet, "Only into the store");
  sub->footer("Exit code 0; 1 the store could not be written; 2 for a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return demo(*command); }; });
}

}  // namespace sluice::cli
