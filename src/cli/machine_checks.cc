#include "cli/machine_checks.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/fixed_text.h"
#include "cli/command.h"
#include "os/io.h"
#include "os/limits.h"
#include "os/memory.h"
#include "os/process.h"
#include "region/region.h"
#include "sluice/detail/call.h"

namespace sluice::cli {
namespace {

constexpr u64 kDescriptorsLeast = 256;
constexpr u64 kNoLimit = ~u64{0};
constexpr u64 kRoomLeast = u64{64} << 20;  // of a directory for logs
constexpr u32 kRegionsLeast = 2;           // that there should be room for
constexpr u32 kOthersMayWrite = 0022;

std::string mebibytes(u64 bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::string octal(u32 mode) {
  char text[16];
  return {text, std::size_t(std::snprintf(text, sizeof text, "%04o", mode & 07777))};
}

region::RegionOptions region_options(const runtime::Config& config) {
  region::RegionOptions options;
  copy_text(options.product, "sluice-doctor");
  copy_text(options.directory, config.region_directory);
  options.ring_bytes = config.ring_bytes;
  options.journal_bytes = config.journal_bytes;
  options.sites_max = config.sites_max;
  return options;
}

// What a region takes at first, with two spare rings; its tables are small beside that.
u64 bytes_of_region(const region::RegionOptions& options) {
  return options.journal_bytes + options.dictionary_bytes + 3 * options.ring_bytes;
}

// Where regions go, or would.
std::string place_of_regions(const runtime::Config& config) {
  if (!config.region_directory.empty()) return config.region_directory;
  char usual[512];
  for (u32 i = 0; i < region::kRegionDirectories; ++i) {
    if (region::region_directory(usual, sizeof usual, i, false)) return usual;
  }
  return "/dev/shm";
}

// Why there is no region.
Finding no_region_in(const std::string& directory, u64 wanted) {
  const std::string place = in_quotes(directory);
  const std::string said = "no region in " + place + ": ";
  os::FileInfo info;
  const int error = os::real_io().stat_followed(directory.c_str(), info);
  if (error != 0 || !info.directory) {
    const std::string why = error != 0 ? os::error_text(error) : "it is no directory";
    return {"region", State::kProblem, said + why,
            "make the directory with mode 0700, or unset SLUICE_REGION_DIRECTORY"};
  }
  if (!os::is_memory_filesystem(directory.c_str())) {
    return {"region", State::kProblem, said + "it is not on tmpfs",
            "name a directory on tmpfs, such as one in /dev/shm"};
  }
  if (const int refused = os::may_write(directory.c_str()); refused != 0) {
    return {"region", State::kProblem, said + os::error_text(refused),
            "give it to the user who runs the program, with mode 0700"};
  }
  u64 bytes = 0;
  const bool known = os::free_bytes(directory.c_str(), bytes) == 0;
  return {"region", State::kProblem,
          "no region in " + place + (known ? ": " + mebibytes(bytes) + " are free there" : ""),
          "make room for at least " + mebibytes(wanted) +
              " (containers: --shm-size; else mount -o remount,size=), or make "
              "SLUICE_JOURNAL_BYTES less"};
}

}  // namespace

Finding check_region(const runtime::Config& config) {
  const region::RegionOptions options = region_options(config);
  void* const at = os::reserve(options.reserved_bytes);
  if (at == nullptr) {
    return {"region", State::kProblem,
            "no address space for a region of " + mebibytes(options.reserved_bytes),
            "raise the limit of virtual memory (ulimit -v)"};
  }
  region::Region region;
  const int error = region.create(options, at);
  if (error != 0) {
    return {"region", State::kProblem, "no memory for a region: " + os::error_text(error),
            "raise the limits of memory, or make SLUICE_JOURNAL_BYTES less"};
  }
  if (!region.shared()) return no_region_in(place_of_regions(config), bytes_of_region(options));
  const std::string path = region.path();
  region.unlink_file();
  return {"region", State::kGood, "made and removed " + in_quotes(path), ""};
}

std::vector<Finding> check_region_directory(const runtime::Config& config) {
  const std::string directory = place_of_regions(config);
  os::FileInfo info;
  u64 bytes = 0;
  if (os::real_io().stat_followed(directory.c_str(), info) != 0 ||
      os::free_bytes(directory.c_str(), bytes) != 0) {
    return {};  // said of the region
  }
  std::vector<Finding> findings;
  const u64 each = bytes_of_region(region_options(config));
  Finding room{"room", State::kGood,
               mebibytes(bytes) + " are free in " + in_quotes(directory) + ", enough for " +
                   std::to_string(bytes / each) + " more programs",
               ""};
  if (bytes < kRegionsLeast * each) {
    room.state = State::kNote;
    room.mend =
        "see what lies there (`sluice recover` delivers what dead programs left), or make it "
        "larger (containers: --shm-size; else mount -o remount,size=)";
  }
  findings.push_back(std::move(room));
  if (config.region_directory.empty() || (info.mode & 0777) == 0700) return findings;
  findings.push_back({"region directory", State::kNote,
                      in_quotes(directory) + " has mode " + octal(info.mode) +
                          ": others may see which programs run, or put files there",
                      "chmod 700 " + directory});
  return findings;
}

Finding check_sink_promise(const runtime::Config& config, std::size_t index, bool region) {
  const back::SinkConfig& sink = config.sinks[index];
  const std::string check = "sink " + runtime::name_of_sink(config, index);
  std::string what = config.console_by_default ? "the console, as no sink is named: "
                     : sink.path.empty()       ? "the console: "
                                               : in_quotes(sink.path) + ": ";
  if (config.mode == Mode::immediate) what += "written before the call returns; ";
  if (!region) {
    return {check, State::kProblem, what + "what is not yet written is lost with the process",
            "mend the region first"};
  }
  if (!back::owns_files(sink.kind)) {
    what += "at least once after a kill; ";
    what += sink.required ? "no record is passed over" : "what it is too slow for is counted";
    return {check, State::kGood, what, ""};
  }
  what += "each record once, also after SIGKILL; after a loss of power ";
  if (sink.sync_each_commit) {
    what += "every commit is there";
  } else if (config.sync_interval_ms == 0) {
    what += "only what flush(durable) has confirmed";
  } else {
    what += "all but the last " + std::to_string(config.sync_interval_ms) + " ms";
  }
  return {check, State::kGood, what, ""};
}

Finding check_directory(const std::string& directory) {
  const std::string check = "directory " + directory;
  os::Io& io = os::real_io();
  os::FileInfo info;
  int error = io.stat_followed(directory.c_str(), info);
  if (error == 0 && !info.directory) error = -ENOTDIR;
  if (error == 0) error = os::may_write(directory.c_str());
  if (error != 0) {
    return {check, State::kProblem, os::error_text(error),
            "make it, and give it to the user who runs the program"};
  }
  const std::string trial = directory + "/.sluice-doctor-" + std::to_string(os::process_id());
  constexpr u32 kNew = os::kWrite | os::kCreate | os::kExclusive;
  int fd = io.open(trial.c_str(), kNew | os::kDirect);
  const bool direct = fd >= 0;
  // The file may have been made all the same.
  if (fd == -EINVAL) fd = io.open(trial.c_str(), os::kWrite | os::kCreate);
  if (fd < 0) {
    return {check, State::kProblem, "no file can be made: " + os::error_text(fd),
            "mount it for writing, or make room"};
  }
  os::FileInfo made;
  const bool born = io.stat_fd(fd, made) == 0 && made.born_ns != 0;
  io.close(fd);
  io.unlink(trial.c_str());
  u64 bytes = 0;
  const bool known = os::free_bytes(directory.c_str(), bytes) == 0;
  Finding finding{check, State::kGood, (known ? mebibytes(bytes) + " free" : "room not known"), ""};
  const auto note = [&finding](const std::string& what, const std::string& mend) {
    finding.state = State::kNote;
    finding.what += "; " + what;
    finding.mend += (finding.mend.empty() ? "" : "; ") + mend;
  };
  if (known && bytes < kRoomLeast) note("that is little", "make room, or let files rotate");
  if ((info.mode & kOthersMayWrite) != 0) {
    note("mode " + octal(info.mode) + ": others may make files there",
         "use a directory that only the program's user may write (mkdir -m 700)");
  }
  if (!direct) {
    note("no O_DIRECT: streams of blocks go through the page cache", "expect that, or take a disk");
  }
  if (!born) {
    note("no times of birth: a file is told by its number alone",
         "let no other program rotate files there");
  }
  return finding;
}

Finding check_descriptors() {
  const u64 limit = os::descriptor_limit();
  const std::string what =
      limit == kNoLimit ? "no limit" : std::to_string(limit) + " may be open at once";
  if (limit >= kDescriptorsLeast) return {"descriptors", State::kGood, what, ""};
  return {"descriptors", State::kProblem, what,
          "raise it to " + std::to_string(kDescriptorsLeast) +
              " or more (ulimit -n, LimitNOFILE= of a unit)"};
}

Finding check_file_size() {
  const u64 limit = os::file_size_limit();
  if (limit == kNoLimit) return {"file size", State::kGood, "no limit", ""};
  return {"file size", State::kProblem,
          "no file may be longer than " + std::to_string(limit) + " bytes",
          "lift it (ulimit -f unlimited): writing beyond it ends a program with SIGXFSZ"};
}

namespace {

// The clocks at one moment, known to within `width` ticks and `width_ns`.
struct Moment {
  u64 ticks = 0;
  i64 wall_ns = 0;
  i64 monotonic_ns = 0;
  i64 width_ns = 0;
};

Moment read_clocks() {
  Moment best{.width_ns = INT64_MAX};
  for (int i = 0; i < 16; ++i) {
    const i64 before = os::monotonic_ns();
    const u64 now = ticks();
    const i64 wall = os::wall_ns();
    const i64 after = os::monotonic_ns();
    if (after - before < best.width_ns) {
      best = {now, wall, before + (after - before) / 2, after - before};
    }
  }
  return best;
}

}  // namespace

Finding check_clock() {
  constexpr i64 kApartNs = 10'000'000;
  // Far beyond what a rate that holds may differ, and what the kernel slews.
  constexpr double kMayDiffer = 1e-3;
  if (!os::has_invariant_tsc()) {
    return {"clock", State::kNote, "the processor does not say that its counter runs at one rate",
            "expect slower calls, which ask the kernel; in a virtual machine pass invtsc to the "
            "guest"};
  }
  const Moment first = read_clocks();
  os::sleep_ns(kApartNs);
  const Moment second = read_clocks();
  os::sleep_ns(kApartNs);
  const Moment third = read_clocks();
  const double rate =
      double(second.monotonic_ns - first.monotonic_ns) / double(second.ticks - first.ticks);
  const double expected = rate * double(third.ticks - second.ticks);
  const i64 passed = third.monotonic_ns - second.monotonic_ns;
  const i64 unknown = first.width_ns + 2 * second.width_ns + third.width_ns;
  const double share = double(passed) / double(second.monotonic_ns - first.monotonic_ns);
  const double allowed = double(unknown) * (1 + share) + kMayDiffer * double(passed);
  if (std::abs(expected - double(passed)) > allowed) {
    return {"clock", State::kNote,
            "the processor's counter does not keep to the kernel's clock: " +
                std::to_string(i64(expected)) + " ns by the one, " + std::to_string(passed) +
                " by the other",
            "see /sys/devices/system/clocksource/clocksource0/current_clocksource; times of "
            "records may be off"};
  }
  const i64 wall = third.wall_ns - first.wall_ns;
  const i64 monotonic = third.monotonic_ns - first.monotonic_ns;
  if (std::abs(double(wall - monotonic)) > double(unknown) + kMayDiffer * double(monotonic)) {
    return {"clock", State::kNote,
            "the wall clock was set by " + std::to_string(wall - monotonic) +
                " ns within some milliseconds",
            "let one service set the clock, and by slewing"};
  }
  return {"clock", State::kGood,
          "the processor's counter runs at one rate, and the kernel's clocks keep to it", ""};
}

Finding check_barrier() {
  if (os::barrier_all_threads()) return {"membarrier", State::kGood, "the kernel has it", ""};
  return {"membarrier", State::kNote, "the kernel does not offer it",
          "allow membarrier in the seccomp profile"};
}

}  // namespace sluice::cli
