// Question: what does a large store cost to fill, to open and to ask, at rest and beside a program
// that writes to it as fast as it can?
//
// A process fills a file through sluice::Store and says the memory it holds after each tenth; then
// a new one opens it and asks, each question again and again in turn, with nothing else going on,
// and another while a third logs into the same file without a pause. Every question has at most 100
// rows for an answer, which are read. Milliseconds.
//
//   store_questions_bench [directory [rows [seconds]]]      default: /tmp 10000000 10
#include <fcntl.h>
#include <sluice/sluice.h>
#include <sluice/store.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "must.h"
#include "os/process.h"
#include "store/select.h"

namespace sluice {
namespace {

constexpr std::size_t kAnswer = 100;
constexpr i64 kUsers = 100'000;

double ms_since(i64 begun_ns) { return double(os::monotonic_ns() - begun_ns) / 1e6; }

// MiB of memory that is this process's own, mapped files (the region, the file's index of its
// write-ahead log) not counted.
double own_memory() {
  std::FILE* const statm = std::fopen("/proc/self/statm", "re");
  unsigned long all = 0, resident = 0, shared = 0;
  if (!statm || std::fscanf(statm, "%lu %lu %lu", &all, &resident, &shared) != 3) std::_Exit(1);
  std::fclose(statm);
  return double(resident - shared) * double(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

StoreOptions patient(const char* run_id) {
  StoreOptions options;
  options.wait_ms = 600'000;
  options.start.run_id = run_id;
  options.start.overflow = Overflow::block;
  options.start.block_deadline_ms = 60'000;
  return options;
}

void log_row(Store& store, i64 i) {
  store.log(i % 1000 == 0 ? Level::error : Level::info, "api", "Request processed",
            kv("user_id", i % kUsers), kv("endpoint", "/api/users"),
            kv("duration_ms", double(i) * 0.25));
}

void fill(const std::string& path, i64 rows) {
  Store store = must(Store::open(path, patient("filling")));
  must(store.add_field_index("user_id"));
  const i64 begun = os::monotonic_ns();
  for (i64 i = 0; i < rows; ++i) {
    log_row(store, i);
    if ((i + 1) % (rows / 10) != 0) continue;
    must(store.flush(600'000));
    std::printf("%10lld rows: %7.0f rows/s so far, %.1f MiB of memory\n",
                static_cast<long long>(i + 1), double(i + 1) / ms_since(begun) * 1e3, own_memory());
    std::fflush(stdout);
  }
  must(store.close());
}

// Logs until `stop` is closed, and says through `told` that it has begun.
void write_without_pause(const std::string& path, int stop, int told) {
  Store store = must(Store::open(path, patient("beside")));
  must(store.flush(600'000));
  if (::write(told, "", 1) != 1) std::_Exit(1);
  char byte;
  std::uint64_t rows = 0;
  for (i64 i = 0;; ++i) {
    if (store.log(Level::info, "beside", "Request processed", kv("user_id", i % kUsers)) ==
        Admission::kOk) {
      ++rows;
    }
    // The other end never writes: nothing to read until it closes.
    if (i % 4096 == 0 && ::read(stop, &byte, 1) == 0) break;
  }
  must(store.close());
  std::printf("rows written beside the questions: %llu\n", static_cast<unsigned long long>(rows));
}

template <class Work>
pid_t start_process(Work&& work) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    std::exit(0);
  }
  return child;
}
void wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    std::fprintf(stderr, "store_questions_bench: a process failed\n");
    std::_Exit(1);
  }
}

struct Question {
  const char* name;
  std::function<std::size_t()> ask;  // the rows of the answer
};

// As `sluice logs` asks: ids by a filter, then their rows.
std::size_t find(storage::Connection& connection, const Filter& filter) {
  storage::LogFinder finder(connection, filter);
  const std::vector<i64> ids = must(finder.newest(kAnswer));
  storage::Statement row = must(connection.prepare("SELECT * FROM logs WHERE id = ?"));
  std::size_t rows = 0;
  for (const i64 id : ids) {
    row.bind(1, id);
    rows += must(row.step()) ? 1 : 0;
    row.reset();
  }
  return rows;
}

void ask_all(const std::vector<Question>& questions, double seconds, const char* when) {
  std::vector<std::vector<double>> times(questions.size());
  std::vector<std::size_t> rows(questions.size());
  for (const i64 first = os::monotonic_ns(); ms_since(first) < seconds * 1e3;) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const i64 begun = os::monotonic_ns();
      rows[i] = questions[i].ask();
      times[i].push_back(ms_since(begun));
    }
  }
  std::printf("%-34s %6s %8s %8s %8s\n", when, "rows", "median", "p95", "most");
  for (std::size_t i = 0; i < questions.size(); ++i) {
    std::vector<double>& of = times[i];
    std::sort(of.begin(), of.end());
    std::printf("%-34s %6zu %8.2f %8.2f %8.2f\n", questions[i].name, rows[i], of[of.size() / 2],
                of[of.size() * 95 / 100], of.back());
  }
}

void ask(const std::string& path, i64 rows, double seconds, const char* when) {
  const i64 begun = os::monotonic_ns();
  Store store = must(Store::open(path));
  const double opened = ms_since(begun);
  (void)must(store.get_logs({}, 1));
  std::printf("\nopened in %.1f ms, answered the first question after %.1f ms\n", opened,
              ms_since(begun));
  const auto connection = must(storage::Connection::open(path, storage::Access::kRead));
  const i64 moment = must(connection->integer_of("SELECT time_ns FROM records WHERE id = " +
                                                 std::to_string(rows * 2 / 3)));
  const std::vector<Question> questions = {
      {"get_logs(), the newest 100", [&] { return must(store.get_logs({}, kAnswer)).size(); }},
      {"get_logs(error), the newest 100",
       [&] { return must(store.get_logs(Level::error, kAnswer)).size(); }},
      {"a run, its newest 100", [&] { return find(*connection, {.run = "filling"}); }},
      {"a value of a field with an index",
       [&] {
         return find(*connection, {.fields = {{"user_id", "4711"}}});
       }},
      {"a second of it, 100",
       [&] { return find(*connection, {.since_ns = moment, .until_ns = moment + 1'000'000'000}); }},
      {"SELECT ... WHERE id BETWEEN", [&] {
         return must(store.query("SELECT * FROM logs WHERE id BETWEEN ? AND ?",
                                 {rows / 3, rows / 3 + i64(kAnswer) - 1}))
             .size();
       }}};
  ask_all(questions, seconds, when);
  must(store.close());
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  const std::string directory = argc > 1 ? argv[1] : "/tmp";
  const i64 rows = argc > 2 ? std::max(1000ll, std::atoll(argv[2])) : 10'000'000;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 10;
  const std::string path = directory + "/store_questions_bench.db";
  const auto remove = [&path] {
    for (const char* const suffix : {"", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
  };
  remove();
  wait_for(start_process([&] { fill(path, rows); }));
  wait_for(start_process([&] { ask(path, rows, seconds, "ms, nothing is written"); }));

  int stop[2], told[2];
  if (::pipe2(stop, O_NONBLOCK) != 0 || ::pipe(told) != 0) return 1;
  const pid_t writer = start_process([&] {
    ::close(stop[1]);
    write_without_pause(path, stop[0], told[1]);
  });
  ::close(stop[0]);
  char byte;
  if (::read(told[0], &byte, 1) != 1) return 1;
  wait_for(start_process([&] { ask(path, rows, seconds, "ms, while rows come without a pause"); }));
  ::close(stop[1]);
  wait_for(writer);
  remove();
  return 0;
}
