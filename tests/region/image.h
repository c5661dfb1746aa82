// The region of a process that died in the middle of its work, as bytes: batches in the journal,
// records in two rings, contexts, drops, a required sink that has passed half of it.
//
// Made by a child that uses the library as a program does and ends by _exit().
#ifndef SLUICE_TESTS_REGION_IMAGE_H_
#define SLUICE_TESTS_REGION_IMAGE_H_

#include <sluice/histogram.h>
#include <sluice/metric.h>
#include <sluice/sluice.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

namespace sluice::test {

inline void live_and_die(const std::string& directory) {
  static std::atomic<int> calls{0};
  // Takes twenty records, then stands still for good.
  const auto stuck = [](const CallbackRecord&, void*) {
    if (calls.fetch_add(1) == 20) std::this_thread::sleep_for(std::chrono::hours(1));
  };
  (void)start({.product = "image",
               .version = "1.2.3",
               .run_id = "run",
               .sinks = {callback(stuck, nullptr, {.need = Sink::Need::required})},
               .ring_bytes = 32 * 1024,
               .journal_bytes = 1 << 20,
               .sites_max = 64,
               .region_directory = directory,
               .recover = false,
               .quiet = true});
  const auto say = [](int from, int to) {
    static Logger net{"net.http"};
    for (int i = from; i < to; ++i) {
      const Context context(kv("request", i), kv("password", "hunter2"));
      SLUICE_INFO("number {n} text {} {}", i, "some text", 2.5);
      SLUICE_LOGGER_WARNING(net, "by logger {}", i);
      SLUICE_EVENT("event", kv("i", i));
      SLUICE_STATE(kv("i", i));
      gauge("gauge", i);
    }
  };
  for (int i = 0; i < 5; ++i) {
    say(i * 10, i * 10 + 10);
    (void)flush(Reach::written, 1);
  }
  // Four of these are still held.
  (void)set_backtrace("quiet", 4);
  static Logger quiet{"quiet"};
  for (int i = 0; i < 6; ++i) SLUICE_LOGGER_DEBUG(quiet, "held {}", i);
  std::thread([&] { say(100, 130); }).join();
  info("{}", std::string(20'000, 'x'));  // too big: a drop
  say(200, 260);
  Counter added("added", "1", {{"of", "image"}, {"password", "hunter2"}});
  added.add(1000);
  Histogram sizes("sizes", "By", {{"of", "image"}});
  ExplicitHistogram waits("waits", "s", {0.001, 0.01, 0.1, 1}, {{"of", "image"}});
  for (int i = 1; i < 100; ++i) {
    sizes.observe(i * i);
    waits.observe(i * 0.02);
  }
  while (calls.load() <= 20) std::this_thread::yield();  // the image is always the same
}

// The bytes; empty when it could not be made.
inline std::string make_image() {
  std::string directory = "/dev/shm/sluice-image-XXXXXX";
  if (!::mkdtemp(directory.data())) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    live_and_die(directory);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::string bytes;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(file.path(), std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::filesystem::remove_all(directory);
  return bytes;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_REGION_IMAGE_H_
