// Logs and metrics of many threads in an SQLite database that answers at once, and what the
// document of a logger on SQLite shows: metadata, metrics, profiling, monitoring, several services,
// columns of one's own, queries. Writes system_logs.db here.
//
//     store_logging [SECONDS]     how long the eight threads log (5)
#include <sluice/sluice.h>
#include <sluice/store.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <thread>

namespace {

using sluice::kv;
using sluice::Level;
using sluice::Store;

constexpr int kThreads = 8;

// Ends the program with what is wrong; a server would go on.
template <class T>
T must(sluice::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    std::exit(1);
  }
  return std::move(result.value());
}

// Takes some milliseconds over each task, as a service would.
void work(Store& store, int worker, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr Level kLevels[] = {Level::debug, Level::info, Level::warning, Level::error};
  std::minstd_rand random(static_cast<unsigned>(worker) + 1);
  const std::string module = "worker_" + std::to_string(worker);
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  for (int task = 0; Clock::now() < end; ++task) {
    const Clock::time_point begun = Clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(1 + random() % 10));
    const std::chrono::duration<double, std::milli> took = Clock::now() - begun;
    store.log(kLevels[task % 4], module, "Processing task " + std::to_string(task),
              kv("task", task), kv("duration_ms", took.count()));
    store.log_metric("operation_duration_" + std::to_string(worker), took.count(), "ms");
  }
}

// What /proc says of the machine, once.
void monitor_system(Store& store) {
  std::ifstream load("/proc/loadavg"), memory("/proc/meminfo");
  double average = 0;
  if (load >> average) store.log_metric("load_average", average);
  std::string name, unit;
  double value = 0, total = 0, available = 0;
  while (memory >> name >> value && std::getline(memory, unit)) {
    if (name == "MemTotal:") total = value;
    if (name == "MemAvailable:") available = value;
  }
  if (total > 0) store.log_metric("memory_percent", 100 * (total - available) / total, "%");
}

void several_services(Store& store) {
  store.log(Level::info, "service_a", "Request received", kv("service", "a"),
            kv("request_id", "req_123"));
  store.log(Level::info, "service_b", "Processing request", kv("service", "b"),
            kv("request_id", "req_123"));
  const auto rows = must(store.query(
      "SELECT module, message FROM logs WHERE extra_data ->> 'request_id' = ? ORDER BY id",
      {"req_123"}));
  std::printf("\nRequest req_123:\n");
  for (const auto row : rows) {
    std::printf("   %-10s %s\n", row.get<std::string>("module").value_or("").c_str(),
                row.get<std::string>("message").value_or("").c_str());
  }
}

void own_column(Store& store) {
  const sluice::Status added = store.add_column("hostname", sluice::ColumnType::text);
  if (!added.ok()) std::fprintf(stderr, "%s\n", added.message().c_str());
  must(
      store.execute("INSERT INTO logs (timestamp, level, module, message, hostname)"
                    " VALUES (?, ?, ?, ?, ?)",
                    {nullptr, "INFO", "deploy", "Version 2 is out", "alpha"}));
  store.log(Level::info, "deploy", "Version 2 runs", kv("hostname", "beta"));
}

void show_queries(const Store& store) {
  const auto errors =
      must(store.query("SELECT timestamp, module, message FROM logs"
                       " WHERE level = 'ERROR'"
                       " AND timestamp >= datetime('now', '-1 hour')"
                       " ORDER BY timestamp DESC"));
  std::printf("\nErrors in the last hour: %zu\n", errors.size());
  const auto slowest =
      must(store.query("SELECT metric_name, MAX(value) as max_duration"
                       " FROM metrics"
                       " WHERE metric_name LIKE 'operation_duration_%'"
                       " GROUP BY metric_name"
                       " ORDER BY max_duration DESC"
                       " LIMIT 10"));
  std::printf("Slowest operations:\n");
  for (const auto row : slowest) {
    std::printf("   %-24s %8.2f ms\n", row.get<std::string>("metric_name").value_or("").c_str(),
                row.get<double>("max_duration").value_or(0));
  }
}

void show_summary(const Store& store, double seconds) {
  const sluice::LogStatistics statistics = must(store.get_log_statistics());
  std::printf("All workers completed in %.2f s\n\nSummary:\n", seconds);
  std::printf("   Total Logs: %lld\n", static_cast<long long>(statistics.total_logs));
  std::printf("   Total Metrics: %lld\n", static_cast<long long>(statistics.total_metrics));
  std::printf("   Logs per second: %.2f\n\nLogs by Level:\n",
              static_cast<double>(statistics.total_logs) / seconds);
  for (const auto& [level, count] : statistics.logs_by_level) {
    std::printf("   %-10s %6lld (%5.1f%%)\n", level.c_str(), static_cast<long long>(count),
                100.0 * static_cast<double>(count) / static_cast<double>(statistics.total_logs));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
  Store store = must(Store::open("system_logs.db"));

  std::atomic<int> alerts{0};  // what a monitor would page somebody for
  must(store.on_commit([&](const sluice::Commit& commit) {
    for (const sluice::LogRow& row : commit.logs) alerts += row.level == "ERROR";
  }));

  const auto begun = std::chrono::steady_clock::now();
  std::vector<std::thread> workers;
  for (int i = 0; i < kThreads; ++i) workers.emplace_back(work, std::ref(store), i, seconds);
  for (std::thread& worker : workers) worker.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;

  show_summary(store, took.count());
  auto expensive = store.profiled(
      "expensive", [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); });
  expensive();
  monitor_system(store);
  several_services(store);
  own_column(store);
  show_queries(store);

  const auto total = must(store.get_log_statistics()).total_logs;
  const sluice::Status closed = store.close();  // the hook has had everything then
  std::printf("Alerts seen while it ran: %d\n", alerts.load());
  if (!closed.ok()) std::fprintf(stderr, "%s\n", closed.message().c_str());
  const sluice::Stats stats = sluice::stats();
  std::printf("Stored %lld logs; dropped: %llu\n", static_cast<long long>(total),
              static_cast<unsigned long long>(stats.dropped()));
  return closed.ok() && stats.dropped() == 0 ? 0 : 1;
}
