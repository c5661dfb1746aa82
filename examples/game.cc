// A game of 60 frames a second that says 100 things in every frame: what does it cost?
//
// Plays the same game twice, each in a process of its own: once with asynchronous delivery and once
// with Mode::immediate, where every call writes its record before it returns. Both write a text
// file, JSON Lines and segments. The clock is read before and after the 100 calls of a frame. In
// the end every call, counted here and numbered, must be in the files once.
//
// usage: game [--frames N] [--dir DIR] [--mode asynchronous|immediate|both]
// Exits 0 when every record arrived once, 1 when not, 2 for wrong options.
#include <sluice/sluice.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "tally.h"

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;
using sluice::kv;
namespace fs = std::filesystem;

constexpr double kFrameBudgetMs = 1000.0 / 60;
constexpr int kCallsPerFrame = 100;

struct Game {
  const char* name;
  sluice::Mode mode;
};
constexpr Game kGames[] = {{"asynchronous", sluice::Mode::asynchronous},
                           {"immediate", sluice::Mode::immediate}};

// What the process that plays tells the one that reports; shared memory.
struct Figures {
  bool finished;
  int frames;
  double total_s;
  double sum_ms;
  double min_ms;
  double max_ms;
  std::uint64_t attempted;  // counted by the caller, not by the library
  std::uint64_t dropped;    // what the library says it dropped
};

// The 100 calls of a frame: ten things in the world, each with four logs, three metric samples, two
// events and one change of state. Every record carries its number.
void say_what_happened(int frame, std::uint64_t& n) {
  for (int id = 0; id < kCallsPerFrame / 10; ++id) {
    const double x = frame * 0.5 + id;
    SLUICE_INFO("enemy {id} moved to {x:.2f}, {y:.2f}", id, x, x / 2, kv("n", ++n));
    SLUICE_INFO("enemy {id} sees the player at {distance:.1f} m", id, 40 - x / 9, kv("n", ++n));
    SLUICE_INFO("sound {name} on channel {channel}", "footsteps", id, kv("n", ++n));
    SLUICE_WARNING("pathfinding of {id} took {ms:.3f} ms", id, 0.3 * id, kv("n", ++n));
    SLUICE_GAUGE("enemy.health", 100 - id, kv("n", ++n));
    SLUICE_COUNTER("enemy.steps", 1, kv("n", ++n));
    SLUICE_HISTOGRAM("enemy.distance", 40 - x / 9, kv("n", ++n));
    SLUICE_EVENT("enemy.attack", kv("id", id), kv("weapon", "claw"), kv("n", ++n));
    SLUICE_EVENT("enemy.hit", kv("id", id), kv("damage", 3.5), kv("n", ++n));
    SLUICE_STATE(kv("frame", frame), kv("enemies", 10 - id), kv("n", ++n));
  }
}

// Runs in a process of its own. Starts and stops delivery outside the frames.
void play(const Game& game, int frames, const std::string& dir, Figures& figures) {
  const std::string text = dir + "/game.log";
  const std::string json = dir + "/game.jsonl";
  const std::string segments = dir + "/segments";
  sluice::start_or_exit(
      {.product = "game-example",
       .mode = game.mode,
       .sinks = {sluice::text_file(text), sluice::json_file(json), sluice::segment_files(segments)},
       .quiet = true});
  sluice::prepare_thread();

  figures.min_ms = 1e9;
  std::uint64_t n = 0;
  const auto start = Clock::now();
  for (int frame = 0; frame < frames; ++frame) {
    const auto before = Clock::now();
    say_what_happened(frame, n);
    const double ms = Milliseconds(Clock::now() - before).count();
    figures.sum_ms += ms;
    if (ms < figures.min_ms) figures.min_ms = ms;
    if (ms > figures.max_ms) figures.max_ms = ms;
    std::this_thread::sleep_until(start + Milliseconds(kFrameBudgetMs * (frame + 1)));
  }
  figures.total_s = Milliseconds(Clock::now() - start).count() / 1000;
  figures.frames = frames;
  figures.attempted = n;
  figures.finished = sluice::stop();
  if (!figures.finished) {
    std::fprintf(stderr, "game: %s\n", std::string(sluice::last_error()).c_str());
  }
  figures.dropped = sluice::stats().dropped();
}

[[nodiscard]] bool play_in_child(const Game& game, int frames, const std::string& dir,
                                 Figures& figures) {
  std::printf("Playing %d frames, %s ...\n", frames, game.name);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    play(game, frames, dir, figures);
    std::exit(0);  // not _exit(): the end of the process removes its empty region
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0 && figures.finished;
}

void print_row(const char* label, double asynchronous, double immediate, const char* unit,
               int decimals, bool ratio) {
  std::printf("  %-26s %12.*f %-3s %12.*f %-3s", label, decimals, asynchronous, unit, decimals,
              immediate, unit);
  if (ratio) std::printf(" %9.1fx", immediate / asynchronous);
  std::printf("\n");
}

void print_share(double asynchronous, double immediate) {
  std::printf("  %-26s %12.2f %%   %12.2f %%\n", "  share of the frame",
              100 * asynchronous / kFrameBudgetMs, 100 * immediate / kFrameBudgetMs);
}

void print_one(const Figures& figures) {
  const auto line = [](const char* label, double ms) {
    std::printf("  %s: %.4f ms (%.2f%% of frame budget)\n", label, ms, 100 * ms / kFrameBudgetMs);
  };
  std::printf("\nTotal frames: %d\nTotal time: %.2f seconds\nAverage FPS: %.1f\n\n", figures.frames,
              figures.total_s, figures.frames / figures.total_s);
  std::printf("Logging overhead per frame (%d calls):\n", kCallsPerFrame);
  line("Average", figures.sum_ms / figures.frames);
  line("Min", figures.min_ms);
  line("Max", figures.max_ms);
}

void print_both(const Figures& a, const Figures& b) {
  std::printf("\n  %-26s %16s %16s %10s\n", "", kGames[0].name, kGames[1].name, "ratio");
  print_row("Total frames", a.frames, b.frames, "", 0, false);
  print_row("Total time", a.total_s, b.total_s, "s", 2, false);
  print_row("Average FPS", a.frames / a.total_s, b.frames / b.total_s, "", 1, false);
  std::printf("  Logging overhead per frame (%d calls; a frame has %.1f ms)\n", kCallsPerFrame,
              kFrameBudgetMs);
  const double average[] = {a.sum_ms / a.frames, b.sum_ms / b.frames};
  print_row("Average", average[0], average[1], "ms", 4, true);
  print_share(average[0], average[1]);
  print_row("Min", a.min_ms, b.min_ms, "ms", 4, true);
  print_share(a.min_ms, b.min_ms);
  print_row("Max", a.max_ms, b.max_ms, "ms", 4, true);
  print_share(a.max_ms, b.max_ms);
}

// Compares a sink's records with the caller's count. Lost is allowed as far as it was reported.
[[nodiscard]] bool check(const char* what, const Tally& tally, const Figures& figures) {
  const std::uint64_t lost = tally.lost(figures.attempted);
  const bool good =
      lost == figures.dropped && tally.duplicates == 0 && tally.torn == 0 && tally.beyond == 0;
  std::printf("  %-12s %9llu of %llu records, lost %lld, twice %llu, torn %llu: %s\n", what,
              static_cast<unsigned long long>(tally.present),
              static_cast<unsigned long long>(figures.attempted),
              static_cast<long long>(lost) - static_cast<long long>(figures.dropped),
              static_cast<unsigned long long>(tally.duplicates),
              static_cast<unsigned long long>(tally.torn + tally.beyond), good ? "ok" : "WRONG");
  return good;
}

[[nodiscard]] bool check_segments(const std::string& dir, const Figures& figures) {
  const fs::path command = fs::read_symlink("/proc/self/exe").parent_path() / "../sluice";
  std::error_code error;
  if (!fs::exists(command, error)) {
    std::printf("  %-12s not read: the sluice command is not built\n", "segments");
    return true;
  }
  const std::string line = "'" + command.string() + "' cat --json '" + dir + "/segments'";
  std::FILE* records = popen(line.c_str(), "r");
  if (records == nullptr) return false;
  const Tally tally = tally_lines(records, figures.attempted);
  const bool readable = pclose(records) == 0;
  return check("segments", tally, figures) && readable;
}

[[nodiscard]] bool check_files(const Game& game, const std::string& dir, const Figures& figures) {
  std::printf("\nFiles of the %s game (%llu calls, %llu dropped and counted):\n", game.name,
              static_cast<unsigned long long>(figures.attempted),
              static_cast<unsigned long long>(figures.dropped));
  bool good = check("text", tally_file(dir + "/game.log", figures.attempted), figures);
  good &= check("JSON Lines", tally_file(dir + "/game.jsonl", figures.attempted), figures);
  good &= check_segments(dir, figures);
  return good;
}

[[noreturn]] void wrong_options() {
  std::fprintf(stderr,
               "usage: game [--frames N] [--dir DIR] [--mode asynchronous|immediate|both]\n"
               "DIR must not exist yet; default: game-data\n");
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  int frames = 300;
  std::string dir = "game-data";
  std::string mode = "both";
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) wrong_options();
    const std::string option = argv[i];
    if (option == "--frames") {
      frames = std::atoi(argv[i + 1]);
    } else if (option == "--dir") {
      dir = argv[i + 1];
    } else if (option == "--mode") {
      mode = argv[i + 1];
    } else {
      wrong_options();
    }
  }
  const bool known = mode == "both" || mode == kGames[0].name || mode == kGames[1].name;
  if (frames <= 0 || !known || fs::exists(dir)) wrong_options();

  void* shared =
      mmap(nullptr, sizeof(Figures) * 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  Figures* const figures = static_cast<Figures*>(shared);

  std::printf("Game logging: %d calls a frame at 60 frames a second\n", kCallsPerFrame);
  bool good = true;
  for (int i = 0; i < 2; ++i) {
    if (mode != "both" && mode != kGames[i].name) continue;
    const std::string own = dir + "/" + kGames[i].name;
    fs::create_directories(own);
    if (!play_in_child(kGames[i], frames, own, figures[i])) {
      std::fprintf(stderr, "game: the %s game did not end well\n", kGames[i].name);
      return 1;
    }
  }
  if (mode == "both") {
    print_both(figures[0], figures[1]);
  } else {
    print_one(figures[mode == kGames[0].name ? 0 : 1]);
  }
  for (int i = 0; i < 2; ++i) {
    if (figures[i].frames == 0) continue;
    good &= check_files(kGames[i], dir + "/" + kGames[i].name, figures[i]);
  }
  std::printf("%s\n", good ? "\nEvery record arrived once." : "\nRecords are missing or repeated!");
  return good ? 0 : 1;
}
