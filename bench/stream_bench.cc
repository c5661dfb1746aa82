// Question: how much of a disk's own speed is left when a stream writes the records of many
// threads?
//
// Beside the stream, in the same round and over the same file system, two bare loops with the same
// block size and preallocation: pwrite of 8 MiB with O_DIRECT, and through the page cache with
// sync_file_range behind each. All three end with fdatasync, and the clock stops behind it. Who
// goes first changes from round to round. With `--beside fio` it is the program fio instead of the
// two loops (psync, one job, O_DIRECT, the same blocks and preallocation, fdatasync at the end; its
// own figure, which leaves out its start). A writer waits where there is no room. In each round,
// accepted and dropped must be what the writers counted, and the records in the files those that
// were accepted, each once and in the order of its writer; otherwise the benchmark fails.
//
//   stream_bench [--dir DIR] [--mib N] [--rounds N] [--writers 1,2,8,50] [--records 100,300,1024]
//                [--framing lines|blocks] [--beside loops|fio]
#include <fcntl.h>
#include <sluice/stream.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "must.h"
#include "os/process.h"
#include "segment/source.h"
#include "sluice/detail/api.h"
#include "stream/block_scanner.h"

namespace sluice {
namespace {

constexpr std::size_t kBlockBytes = 8 << 20;
constexpr std::size_t kPageBytes = 4096;
constexpr u32 kWaitMs = 60'000;
constexpr std::size_t kHeadBytes = 14;  // "12 1234567890 "; the rest is filled up

struct Settings {
  std::string directory = "/tmp";
  u64 mib = 512;
  u32 rounds = 5;
  std::vector<u32> writers = {1, 2, 8, 50};
  std::vector<u32> records = {100, 300, 1024};
  Framing framing = Framing::lines;
  bool beside_fio = false;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "stream_bench: %s\n", what.c_str());
  std::_Exit(1);
}

// ---- the bare loop ----

enum class Bare { direct, cached };

// MB a second.
double bare_loop(const std::string& path, u64 bytes, Bare way) {
  const int direct = way == Bare::direct ? O_DIRECT : 0;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | direct, 0600);
  if (fd < 0) fail(path + ": " + std::strerror(errno));
  void* block = nullptr;
  if (::posix_memalign(&block, kPageBytes, kBlockBytes) != 0) fail("no memory");
  std::memset(block, 'x', kBlockBytes);
  const i64 begun = os::monotonic_ns();
  (void)::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, off_t(bytes));
  for (u64 at = 0; at < bytes; at += kBlockBytes) {
    if (::pwrite(fd, block, kBlockBytes, off_t(at)) != ssize_t(kBlockBytes)) fail("short write");
    if (way == Bare::cached) {
      (void)::sync_file_range(fd, off_t(at), off_t(kBlockBytes), SYNC_FILE_RANGE_WRITE);
    }
  }
  if (::fdatasync(fd) != 0) fail("fdatasync failed");
  const double seconds = double(os::monotonic_ns() - begun) / 1e9;
  ::close(fd);
  ::unlink(path.c_str());
  std::free(block);
  return double(bytes) / 1e6 / seconds;
}

// What fio says of itself, MB a second.
double fio(const std::string& path, u64 bytes) {
  const std::string command =
      "fio --name=bare --ioengine=psync --iodepth=1 --numjobs=1 --rw=write --direct=1 --bs=8m "
      "--fallocate=keep --end_fsync=1 --output-format=json --size=" +
      std::to_string(bytes) + " --filename=" + path;
  std::FILE* const output = ::popen(command.c_str(), "r");
  if (output == nullptr) fail("fio does not start");
  std::string text;
  for (int c = 0; (c = std::fgetc(output)) != EOF;) text += char(c);
  if (::pclose(output) != 0) fail("fio fails; is it installed?\n" + text);
  ::unlink(path.c_str());
  const nlohmann::json write = nlohmann::json::parse(text).at("jobs").at(0).at("write");
  const double milliseconds = write.at("runtime").get<double>();
  return write.at("io_bytes").get<double>() / 1e3 / milliseconds;
}

// ---- the stream ----

struct Count {
  u64 accepted = 0;
  u64 refused = 0;
};

// A record of writer `writer`: its numbers in front, so that the file can be checked.
class RecordMaker {
 public:
  RecordMaker(u32 writer, u32 bytes) : text_(bytes, '.') {
    char head[kHeadBytes + 1];
    const int size = std::snprintf(head, sizeof head, "%02u %010u ", writer, 0u);
    std::memcpy(text_.data(), head, std::size_t(size));
  }
  // Counts up in the text: the writers' own work is not what is measured.
  std::string_view next() {
    constexpr std::size_t kLastDigit = 12;
    char* digit = text_.data() + kLastDigit;
    for (; *digit == '9'; --digit) *digit = '0';
    ++*digit;
    return text_;
  }

 private:
  std::string text_;
};

class Checker {
 public:
  Checker(u32 writers, u32 record_bytes) : last_(writers, 0), record_bytes_(record_bytes) {}

  void add(std::string_view record) {
    u32 writer = 0;
    u64 number = 0;
    const std::string head(record.substr(0, kHeadBytes));
    if (record.size() != record_bytes_) fail("a record is torn: " + head);
    std::from_chars(record.data(), record.data() + 2, writer);
    std::from_chars(record.data() + 3, record.data() + 13, number);
    if (writer >= last_.size() || number <= last_[writer]) fail("twice, or not in order: " + head);
    last_[writer] = number;
    ++records_;
  }
  [[nodiscard]] u64 records() const { return records_; }

 private:
  std::vector<u64> last_;
  const u32 record_bytes_;
  u64 records_ = 0;
};

// Checks every record of the finished files. How many there are.
u64 check_files(const std::string& directory, Framing framing, u32 writers, u32 record_bytes) {
  Checker checker(writers, record_bytes);
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    if (framing == Framing::lines) {
      std::ifstream file(entry.path(), std::ios::binary);
      for (std::string line; std::getline(file, line);) checker.add(line);
      continue;
    }
    const auto source = must(open_source(os::real_io(), entry.path()));
    stream::BlockScanner scanner(*source);
    stream::Block block;
    while (scanner.next(block)) {
      stream::for_each_record(block.bytes, block.good,
                              [&](ByteView record) { checker.add(as_text(record)); });
    }
    if (scanner.damaged_ranges() > 0) fail("a block is damaged");
  }
  return checker.records();
}

// MB a second in files.
double stream_of_threads(const Settings& settings, u32 writers, u32 record_bytes) {
  const std::string directory = settings.directory + "/stream_bench.d";
  std::filesystem::remove_all(directory);
  const u64 bytes = settings.mib << 20;
  const u64 records_each = bytes / (record_bytes + 1) / writers;
  std::vector<Count> counts(writers);
  std::vector<std::thread> threads;
  Stream stream = must(Stream::open(directory, "bench",
                                    {.framing = settings.framing,
                                     .preallocate_bytes = bytes,
                                     .wait_ms = kWaitMs,
                                     .waiters_max = writers}));
  const i64 begun = os::monotonic_ns();
  for (u32 i = 0; i < writers; ++i) {
    threads.emplace_back([&, i] {
      RecordMaker maker(i, record_bytes);
      Count count;
      for (u64 n = 0; n < records_each; ++n) {
        ++(stream.write(maker.next()) == Admission::kOk ? count.accepted : count.refused);
      }
      counts[i] = count;
    });
  }
  for (std::thread& thread : threads) thread.join();
  must(stream.close(600'000));
  const double seconds = double(os::monotonic_ns() - begun) / 1e9;
  Count sum;
  for (const Count& count : counts) {
    sum.accepted += count.accepted;
    sum.refused += count.refused;
  }
  const StreamStatistics told = stream.statistics();
  if (told.accepted != sum.accepted || told.dropped() != sum.refused) {
    fail("accepted or dropped is not what the writers counted");
  }
  if (check_files(directory, settings.framing, writers, record_bytes) != sum.accepted) {
    fail("the files do not hold what was accepted");
  }
  if (sum.refused > 0) {
    std::printf("%llu records dropped\n", static_cast<unsigned long long>(sum.refused));
  }
  std::filesystem::remove_all(directory);
  return double(told.bytes_written) / 1e6 / seconds;
}

// ---- all of it ----

struct Series {
  std::vector<double> values;
  void add(double value) { values.push_back(value); }
  // "median (least to most)".
  [[nodiscard]] std::string text(const char* form) {
    std::sort(values.begin(), values.end());
    char all[96];
    std::string three = std::string(form) + " (" + form + " to " + form + ")";
    const double median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    std::snprintf(all, sizeof all, three.c_str(), median, values.front(), values.back());
    return all;
  }
};

// The ways to write that take turns, and what each of them reached.
struct Way {
  const char* name;
  std::function<double()> run;
  Series rates{};
  Series ratio{};  // of the stream to it
};

void measure(const Settings& settings, u32 writers, u32 record_bytes) {
  const std::string path = settings.directory + "/stream_bench.bare";
  const u64 bytes = settings.mib << 20;
  std::vector<Way> ways;
  ways.push_back({"stream", [&] { return stream_of_threads(settings, writers, record_bytes); }});
  if (settings.beside_fio) {
    ways.push_back({"fio", [&] { return fio(path, bytes); }});
  } else {
    ways.push_back({"bare O_DIRECT", [&] { return bare_loop(path, bytes, Bare::direct); }});
    ways.push_back({"bare cached", [&] { return bare_loop(path, bytes, Bare::cached); }});
  }
  for (u32 round = 0; round < settings.rounds; ++round) {
    std::vector<double> rates(ways.size());
    for (std::size_t i = 0; i < ways.size(); ++i) {
      const std::size_t which = (round + i) % ways.size();
      rates[which] = ways[which].run();
    }
    for (std::size_t i = 0; i < ways.size(); ++i) {
      ways[i].rates.add(rates[i]);
      ways[i].ratio.add(rates[0] / rates[i]);
    }
  }
  std::printf("| %u | %u |", writers, record_bytes);
  for (Way& way : ways) {
    std::printf(" %s %s |", way.name, way.rates.text("%.0f").c_str());
    if (&way != &ways.front()) std::printf(" %s |", way.ratio.text("%.2f").c_str());
  }
  std::printf("\n");
  std::fflush(stdout);
}

std::vector<u32> numbers_of(const std::string& text) {
  std::vector<u32> numbers;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    numbers.push_back(u32(std::strtoul(word.c_str(), nullptr, 10)));
  }
  return numbers;
}

Settings settings_of(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--dir") {
      settings.directory = value;
    } else if (option == "--mib") {
      settings.mib = numbers_of(value).at(0) / 8 * 8;
    } else if (option == "--rounds") {
      settings.rounds = numbers_of(value).at(0);
    } else if (option == "--writers") {
      settings.writers = numbers_of(value);
    } else if (option == "--records") {
      settings.records = numbers_of(value);
    } else if (option == "--framing" && (value == "lines" || value == "blocks")) {
      settings.framing = value == "lines" ? Framing::lines : Framing::blocks;
    } else if (option == "--beside" && (value == "loops" || value == "fio")) {
      settings.beside_fio = value == "fio";
    } else {
      fail(option + " " + value + ": no such option");
    }
  }
  const bool good = argc % 2 == 1 && settings.mib > 0 && settings.rounds > 0 &&
                    std::all_of(settings.writers.begin(), settings.writers.end(),
                                [](u32 count) { return count > 0 && count < 100; }) &&
                    std::all_of(settings.records.begin(), settings.records.end(),
                                [](u32 bytes) { return bytes > kHeadBytes; });
  if (!good) fail("--mib 8 or more, --rounds 1 or more, --writers 1 to 99, --records 15 or more");
  return settings;
}

void say_load(const char* when) {
  std::ifstream file("/proc/loadavg");
  std::string load;
  std::getline(file, load);
  std::printf("load %s: %s\n", when, load.c_str());
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  const Settings settings = settings_of(argc, argv);
  std::printf("%s, %llu MiB a run, %u rounds; MB/s and ratios: median (least to most)\n",
              settings.framing == Framing::lines ? "lines" : "blocks",
              static_cast<unsigned long long>(settings.mib), settings.rounds);
  say_load("at the start");
  std::printf("| writers | bytes | stream | beside it, and the stream's ratio to it ... |\n");
  for (const u32 bytes : settings.records) {
    for (const u32 writers : settings.writers) measure(settings, writers, bytes);
  }
  say_load("at the end");
  return 0;
}
