// Question: how much of SQLite's own speed is left when rows come from many threads' calls?
//
// The floor is a bare loop over the C API, in one thread: the same tables and indexes, the same
// pragmas, rows of the same content, formatted in the loop, as many in a transaction as the store
// had. Beside it the store: eight threads log through sluice::Store, with a journal that holds them
// all, and the clock stops when the last row is committed; and the same with full_text, whose index
// is then brought up to date by the sink in its own time. All in files of their own in a new
// process, in turns; the median of the rounds and the spread. Rows are counted in the file.
//
//   store_bench [directory] [rounds]      default: /tmp 5
#include <sluice/sluice.h>
#include <sluice/store.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "must.h"
#include "os/process.h"
#include "store/schema.h"

namespace sluice {
namespace {

constexpr int kThreads = 8;
constexpr i64 kRowsOfAThread = 25'000;
constexpr i64 kRows = kThreads * kRowsOfAThread;

struct Outcome {
  double seconds = 0;
  i64 rows = 0;
  i64 transactions = 0;
  double call_p50_ns = 0, call_p999_ns = 0;
};

double seconds_since(i64 begun_ns) { return double(os::monotonic_ns() - begun_ns) / 1e9; }

Outcome bare_loop(const std::string& path, i64 rows_of_a_transaction) {
  Outcome outcome;
  const auto db = must(storage::Connection::open(path, storage::Access::kCreate));
  must(storage::make_schema(*db));
  must(db->run("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536"));
  storage::Statement insert = must(db->prepare(
      "INSERT INTO records(time_ns, severity, run, sequence, thread, site, logger, event, body,"
      " attributes, context) VALUES(?, ?, 1, ?, ?, 1, ?, NULL, ?, ?, NULL)"));
  const i64 begun = os::monotonic_ns();
  must(db->run("BEGIN"));
  for (i64 i = 0; i < kRows; ++i) {
    if (i > 0 && i % rows_of_a_transaction == 0) {
      must(db->run("COMMIT; BEGIN"));
      ++outcome.transactions;
    }
    char attributes[128];
    const int bytes =
        std::snprintf(attributes, sizeof attributes,
                      R"({"user_id":%lld,"endpoint":"/api/users","duration_ms":%.17g})",
                      static_cast<long long>(i), double(i) * 0.25);
    insert.bind(1, os::wall_ns());
    insert.bind(2, i64(9));
    insert.bind(3, i);
    insert.bind(4, 4711 + i % kThreads);
    insert.bind(5, std::string_view("api"));
    insert.bind(6, std::string_view("Request processed"));
    insert.bind(7, std::string_view(attributes, std::size_t(bytes)));
    must(insert.run());
  }
  must(db->run("COMMIT"));
  ++outcome.transactions;
  outcome.seconds = seconds_since(begun);
  outcome.rows = must(db->integer_of("SELECT count(*) FROM records"));
  return outcome;
}

Outcome store_of_threads(const std::string& path, bool full_text) {
  Outcome outcome;
  StoreOptions options;
  options.wait_ms = 600'000;
  options.start.journal_bytes = 256 << 20;
  options.start.overflow = Overflow::block;
  options.start.block_deadline_ms = 60'000;
  options.start.sinks = {store_file(path, {.full_text = full_text})};
  Store store = must(Store::open(path, options));
  // The clock of both starts with an open file that has its tables.
  store.log(Level::info, "start", "The file is open");
  must(store.flush(600'000));
  std::vector<std::vector<i64>> cost(kThreads);
  std::vector<std::thread> threads;
  const i64 begun = os::monotonic_ns();
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      cost[std::size_t(t)].reserve(std::size_t(kRowsOfAThread));
      for (i64 i = 0; i < kRowsOfAThread; ++i) {
        const i64 before = os::monotonic_ns();
        store.log(Level::info, "api", "Request processed", kv("user_id", i),
                  kv("endpoint", "/api/users"), kv("duration_ms", double(i) * 0.25));
        cost[std::size_t(t)].push_back(os::monotonic_ns() - before);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  must(store.flush(600'000));
  outcome.seconds = seconds_since(begun);
  const Rows rows = must(store.query("SELECT count(*) FROM records WHERE logger = 'api'"));
  outcome.rows = rows[0].get<i64>(0).value_or(0);
  std::vector<i64> all;
  for (const auto& of : cost) all.insert(all.end(), of.begin(), of.end());
  std::sort(all.begin(), all.end());
  outcome.call_p50_ns = double(all[all.size() / 2]);
  outcome.call_p999_ns = double(all[all.size() * 999 / 1000]);
  return outcome;
}

// In a process of its own, over a file that is not there yet.
template <class Work>
Outcome in_a_process(const std::string& directory, Work&& work) {
  const std::string path = directory + "/store_bench.db";
  for (const char* const suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
  int ends[2];
  if (::pipe(ends) != 0) std::_Exit(1);
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    const Outcome outcome = work(path);
    const bool told = ::write(ends[1], &outcome, sizeof outcome) == sizeof outcome;
    std::exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  Outcome outcome;
  const bool told = ::read(ends[0], &outcome, sizeof outcome) == sizeof outcome;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  for (const char* const suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
  if (!told || status != 0 || outcome.rows != kRows) {
    std::fprintf(stderr, "store_bench: %lld rows of %lld\n", static_cast<long long>(outcome.rows),
                 static_cast<long long>(kRows));
    std::_Exit(1);
  }
  return outcome;
}

void print(const char* name, std::vector<double> rows_per_second) {
  std::sort(rows_per_second.begin(), rows_per_second.end());
  std::printf("%-34s %9.0f rows/s   (%.0f to %.0f)\n", name,
              rows_per_second[rows_per_second.size() / 2], rows_per_second.front(),
              rows_per_second.back());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  const std::string directory = argc > 1 ? argv[1] : "/tmp";
  const int rounds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  constexpr i64 kBatches[] = {1000, 10'000};
  std::vector<double> bare[2], store, with_text, p50, p999, ratio[2];
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 2; ++i) {
      const Outcome outcome = in_a_process(
          directory, [&](const std::string& path) { return bare_loop(path, kBatches[i]); });
      bare[i].push_back(double(kRows) / outcome.seconds);
    }
    const Outcome outcome = in_a_process(
        directory, [](const std::string& path) { return store_of_threads(path, false); });
    store.push_back(double(kRows) / outcome.seconds);
    p50.push_back(outcome.call_p50_ns);
    p999.push_back(outcome.call_p999_ns);
    const Outcome indexed = in_a_process(
        directory, [](const std::string& path) { return store_of_threads(path, true); });
    with_text.push_back(double(kRows) / indexed.seconds);
    for (int i = 0; i < 2; ++i) ratio[i].push_back(store.back() / bare[i].back());
  }
  print("bare loop, 1,000 rows a commit", bare[0]);
  print("bare loop, 10,000 rows a commit", bare[1]);
  print("store, 8 threads", store);
  print("store, 8 threads, full_text", with_text);
  std::printf("ratio %.2f and %.2f; call p50 %.0f ns, p99.9 %.0f ns (with the clock's own cost)\n",
              median(ratio[0]), median(ratio[1]), median(p50), median(p999));
  return 0;
}
