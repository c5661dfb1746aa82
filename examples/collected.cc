// A game that leaves what it says to a collector: it writes no file and runs no thread for that.
//
// Started with SLUICE_COLLECTOR=auto it hands its records to `sluice serve`, which stores them,
// also those of its last moment when it is killed; without a collector they go to the console.
// Plays 60 frames a second and says 100 things in each.
//
// usage: collected [FRAMES]   (60; 0: until it is killed)
#include <sluice/sluice.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

using sluice::kv;

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "60";
  char* end = nullptr;
  const long frames = std::strtol(wanted.c_str(), &end, 10);
  if (argc > 2 || end == wanted.c_str() || *end != '\0' || frames < 0) return 2;

  sluice::start_or_exit({.product = "collected-game", .version = "1.0"});
  SLUICE_STATE(kv("level", 1), kv("player", "Ada"));
  const auto start = std::chrono::steady_clock::now();
  for (long frame = 0; frames == 0 || frame < frames; ++frame) {
    for (int id = 0; id < 98; ++id) SLUICE_INFO("enemy {id} moved in frame {frame}", id, frame);
    SLUICE_HISTOGRAM("frame.enemies", 98);
    SLUICE_STATE(kv("frame", frame));
    std::this_thread::sleep_until(start + std::chrono::milliseconds(1000 * (frame + 1) / 60));
  }
  return sluice::stop() ? 0 : 1;
}
