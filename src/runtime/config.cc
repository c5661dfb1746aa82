#include "runtime/config.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>

#include "os/io.h"
#include "os/path.h"
#include "os/process.h"
#include "record/format.h"
#include "region/region.h"
#include "runtime/environment.h"
#include "sink/file_name.h"
#include "sink/zstd.h"

namespace sluice::runtime {
namespace {

constexpr u64 kRingMin = 32 * 1024, kRingMax = u64{64} << 20, kRingUsual = 512 * 1024;
constexpr u64 kJournalMin = 1 << 20, kJournalMax = u64{512} << 20;
constexpr u32 kSitesMin = 64, kSitesLimit = 65536;
constexpr u32 kBytesOfARecord = 64;  // for queue_records: a usual record
constexpr std::size_t kLabelMax = 63;
constexpr u64 kKeepBytesMin = 1 << 20;

bool parse_number(std::string_view text, u64& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

std::string random_id() {
  u64 bits[2];
  os::random_bytes(bits, sizeof bits);
  char text[33];
  for (int i = 0; i < 32; ++i) text[i] = "0123456789abcdef"[(bits[i / 16] >> (i % 16 * 4)) & 15];
  return {text, 32};
}

// What the operator has written: the variable, where it is set.
const char* where_from(const char* option, const char* variable) {
  return os::environment(variable).empty() ? option : variable;
}

void check_power(const char* name, u64 value, u64 least, u64 most, Mistakes& mistakes) {
  if (!std::has_single_bit(value) || value < least || value > most) {
    mistakes.add(name,
                 std::to_string(value) + " is not a power of two from " + std::to_string(least) +
                     " to " + std::to_string(most),
                 "try " + std::to_string(std::bit_ceil(std::clamp(value, least, most))));
  }
}

void check_label(const char* name, const std::string& text, Mistakes& mistakes) {
  if (text.size() > kLabelMax) {
    mistakes.add(name, "longer than 63 bytes", "shorten it");
  }
}

// True when rotation of `log` may give a file the path of `other`.
bool rotates_to(const back::SinkConfig& log, const back::SinkConfig& other) {
  if (!back::is_line_file(log.kind) || !back::is_line_file(other.kind)) return false;
  const sink::FileName name(log.path), there(other.path);
  return name.directory() == there.directory() &&
         (name.rotated_number(there.name()) || name.packed_number(there.name()));
}

void check_paths(const Config& config, std::size_t i, Mistakes& mistakes) {
  const std::string where = "sinks[" + std::to_string(i) + "]";
  const back::SinkConfig& sink = config.sinks[i];
  for (std::size_t j = 0; j < config.sinks.size(); ++j) {
    const back::SinkConfig& other = config.sinks[j];
    if (j < i && other.path == sink.path) {
      mistakes.add(where, "writes to " + sink.path + " as sinks[" + std::to_string(j) + "] does",
                   "give each sink a path of its own");
    }
    if (rotates_to(other, sink)) {
      mistakes.add(where,
                   sink.path + " is a name that rotation gives to files of sinks[" +
                       std::to_string(j) + "], " + other.path,
                   "choose a name that does not differ from it by a number alone");
    }
  }
}

// One that was named: records would not survive their process, which is what it was named for. That
// it is full is no mistake: private memory is said once, as in the default place.
void check_region_directory(const Config& config, Mistakes& mistakes) {
  const std::string& directory = config.region_directory;
  if (directory.empty()) return;
  constexpr std::size_t kLongest = sizeof(region::RegionOptions::directory) - 1;
  os::FileInfo info;
  int error = os::real_io().stat_followed(directory.c_str(), info);
  if (error == 0) error = os::may_write(directory.c_str());
  std::string what;
  if (directory.size() > kLongest) {
    what = "is longer than " + std::to_string(kLongest) + " bytes";
  } else if (error != 0) {
    what = "cannot be used: " + os::error_text(-error);
  } else if (!info.directory) {
    what = "is no directory";
  } else if (!os::is_memory_filesystem(directory.c_str())) {
    what = "is not on tmpfs";
  }
  if (what.empty()) return;
  mistakes.add(where_from("region_directory", "SLUICE_REGION_DIRECTORY"), directory + " " + what,
               "name a directory on tmpfs that this user may write (mkdir -m 700 /dev/shm/NAME), "
               "or none");
}

void check(const Config& config, Mistakes& mistakes) {
  check_region_directory(config, mistakes);
  check_power(where_from("ring_bytes", "SLUICE_RING_BYTES"), config.ring_bytes, kRingMin, kRingMax,
              mistakes);
  check_power(where_from("journal_bytes", "SLUICE_JOURNAL_BYTES"), config.journal_bytes,
              kJournalMin, kJournalMax, mistakes);
  if (config.redact.size() >= sizeof region::RegionHeader::secrets) {
    mistakes.add(where_from("redact", "SLUICE_REDACT"), "longer than 1023 bytes",
                 "leave names out: one word of a name is enough");
  }
  check_label(where_from("product", "SLUICE_PRODUCT"), config.product, mistakes);
  check_label("version", config.version, mistakes);
  check_label(where_from("run_id", "SLUICE_RUN_ID"), config.run_id, mistakes);
  if (config.sites_max < kSitesMin || config.sites_max > kSitesLimit) {
    mistakes.add(where_from("sites_max", "SLUICE_SITES_MAX"),
                 std::to_string(config.sites_max) + " is out of range", "use 64 to 65536");
  }
  if (config.sinks.size() > region::kSinksMax) {
    mistakes.add("sinks", "more than 8", "leave some out");
  }
  for (std::size_t i = 0; i < config.sinks.size(); ++i) {
    const back::SinkConfig& sink = config.sinks[i];
    const std::string where = name_of_sink(config, i);
    const bool file = back::owns_files(sink.kind);
    if (file && sink.path.empty()) mistakes.add(where, "no path", "give a file or directory");
    if (file && sink.path.size() >= sizeof(region::SinkEntry::path)) {
      mistakes.add(where, "the path is longer than 1023 bytes", "use a shorter one");
    }
    if (file && !sink.path.empty()) check_paths(config, i, mistakes);
    const bool lines = back::is_line_file(sink.kind), store = sink.kind == SinkKind::store;
    if ((sink.keep_seconds != 0 || sink.keep_bytes != 0) && !lines && !store) {
      mistakes.add(where, "keep_seconds and keep_bytes are for stores and files of lines",
                   "leave them out");
    }
    if ((sink.keep_rows != 0 || sink.keep_whole_runs) && !store) {
      mistakes.add(where, "keep_rows and keep_whole_runs are for stores", "leave them out");
    }
    if ((sink.rotate_seconds != 0 || !sink.rotate_at.empty()) && !lines) {
      mistakes.add(where, "rotate_seconds and rotate_at are for files of lines", "leave them out");
    }
    if (sink.compress && !lines) {
      mistakes.add(where, "compress is for files of lines", "leave it out");
    } else if (sink.compress && !sink::Zstd::instance().problem.empty()) {
      mistakes.add(where, "compress needs libzstd: " + sink::Zstd::instance().problem,
                   "install it (Debian: libzstd1), or leave compress out");
    }
    if (sink.full_text && !store) {
      mistakes.add(where, "full_text is for stores", "leave it out");
    }
    if (store && sink.keep_bytes != 0 && sink.keep_bytes < kKeepBytesMin) {
      mistakes.add(where, "keep_bytes is below 1 MiB", "give the store more room");
    }
    if (sink.schema != JsonSchema::sluice && sink.kind != SinkKind::json_lines) {
      mistakes.add(where, "schema is for JSON Lines", "leave it out");
    }
    if (sink.kind == SinkKind::callback && !sink.callback) {
      mistakes.add(where, "no function", "set .callback");
    }
  }
}

std::string_view kind_name(SinkKind kind) {
  switch (kind) {
    case SinkKind::console:
      return "console";
    case SinkKind::text:
      return "text";
    case SinkKind::json_lines:
      return "json_lines";
    case SinkKind::segments:
      return "segments";
    case SinkKind::callback:
      return "callback";
    case SinkKind::store:
      return "store";
    case SinkKind::logfmt:
      return "logfmt";
    case SinkKind::syslog:
      return "syslog";
    case SinkKind::journald:
      return "journald";
  }
  return "unknown";
}

}  // namespace

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (!text.empty()) text += "\n";
    text += line;
  }
  return text;
}

std::string name_of_sink(const Config& config, std::size_t index) {
  const std::string& variable = config.sinks[index].variable;
  return variable.empty() ? "sinks[" + std::to_string(index) + "]" : variable;
}

bool parse_bytes(std::string_view text, u64& out) {
  u64 scale = 1;
  for (const std::string_view unit : {"iB", "B"}) {
    if (text.ends_with(unit)) {
      text.remove_suffix(unit.size());
      break;
    }
  }
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K':
        scale = u64{1} << 10;
        break;
      case 'M':
        scale = u64{1} << 20;
        break;
      case 'G':
        scale = u64{1} << 30;
        break;
      default:
        break;
    }
    if (scale != 1) text.remove_suffix(1);
  }
  u64 number = 0;
  if (!parse_number(text, number) || number > ~u64{0} / scale) return false;
  out = number * scale;
  return true;
}

std::string private_store_path() { return "/tmp/sluice-" + random_id() + ".db"; }

bool parse_age(std::string_view text, u64& seconds) {
  u64 unit = 0;
  switch (text.empty() ? '\0' : text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86'400;
      break;
    case 'w':
      unit = 7 * 86'400;
      break;
    default:
      seconds = 0;
      return text == "0";
  }
  u64 number = 0;
  constexpr u64 kSecondsMax = u64{100} * 366 * 86'400;  // a century
  const bool sound = parse_number(text.substr(0, text.size() - 1), number);
  if (!sound || number > kSecondsMax / unit) return false;
  seconds = number * unit;
  return true;
}

back::SinkConfig sink_config(const Sink& sink) {
  back::SinkConfig out;
  out.kind = sink.kind;
  const bool address = sink.kind == SinkKind::syslog &&
                       (sink.path.starts_with("udp:") || sink.path.starts_with("tcp:"));
  out.path = address ? sink.path : os::absolute_path(sink.path);
  out.schema = sink.schema;
  out.facility = sink.facility;
  out.name = sink.name;
  out.pattern = sink.pattern;
  out.level = sink.level;
  out.logger = sink.logger;
  out.rotate_bytes = sink.rotate_bytes;
  out.rotate_seconds = sink.rotate_seconds;
  out.rotate_at = sink.rotate_at;
  out.keep_files = sink.keep_files;
  out.compress = sink.compress;
  out.color = sink.color;
  out.stderr_level = sink.stderr_level;
  if (sink.kind == SinkKind::store && sink.path == ":memory:") {
    out.private_file = true;
    out.path = private_store_path();
  }
  out.commit_records = sink.commit_records;
  out.sync_each_commit = sink.sync_each_commit;
  out.keep_seconds = sink.keep_seconds;
  out.keep_rows = sink.keep_rows;
  out.keep_bytes = sink.keep_bytes;
  out.keep_whole_runs = sink.keep_whole_runs;
  out.full_text = sink.full_text;
  const bool file = back::owns_files(sink.kind);
  out.required = sink.need == Sink::Need::required || (sink.need == Sink::Need::by_kind && file);
  out.callback = sink.callback;
  out.user = sink.user;
  return out;
}

std::vector<std::string> make_config(const Options& options, Config& config) {
  std::vector<std::string> list;
  Mistakes mistakes(list);
  config.product = options.product.empty() ? os::program_name() : options.product;
  config.product.resize(
      std::min(config.product.size(), options.product.empty() ? kLabelMax : config.product.size()));
  config.version = options.version;
  config.run_id = options.run_id.empty() ? random_id() : options.run_id;
  config.level = options.level;
  if (options.backtrace_records != 0) config.backtraces.emplace_back("", options.backtrace_records);
  config.mode = options.mode;
  config.ring_bytes = options.ring_bytes;
  if (options.queue_records) {
    // 7/8 of a ring is for everybody: that much must hold the records.
    const u64 bytes = u64{options.queue_records} * kBytesOfARecord * 8 / 7;
    config.ring_bytes = std::bit_ceil(std::max(bytes, kRingMin));
  }
  config.journal_bytes = options.journal_bytes;
  config.overflow = options.overflow;
  config.block_deadline_ms = options.block_deadline_ms;
  config.merge_window_us = options.merge_window_us;
  config.stop_deadline_ms = options.stop_deadline_ms;
  config.sync_interval_ms = options.sync_interval_ms;
  config.metrics_interval_ms = options.metrics_interval_ms;
  config.measure_calls = options.measure_calls;
  config.sites_max = options.sites_max;
  config.collector = options.collector;
  config.collector_socket = options.collector_socket;
  config.region_directory = options.region_directory;
  config.recover = options.recover;
  config.quiet = options.quiet;
  config.redact = options.redact;
  for (const Sink& sink : options.sinks) config.sinks.push_back(sink_config(sink));
  read_environment(config, mistakes);
  if (config.ring_bytes == 0) {
    config.ring_bytes = std::max(kRingUsual, std::bit_floor(config.journal_bytes) / 64);
  }
  config.region_directory = os::absolute_path(config.region_directory);
  config.collector_socket = os::absolute_path(config.collector_socket);
  for (back::SinkConfig& sink : config.sinks) {
    if (sink.name.empty()) sink.name = config.product;
  }
  check(config, mistakes);
  return list;
}

std::string to_text(const Config& config) {
  std::string text;
  const auto line = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(" = ").append(value).append("\n");
  };
  line("product", config.product);
  line("version", config.version);
  line("run_id", config.run_id);
  line("level", level_name(config.level));
  for (const auto& [logger, level] : config.logger_levels) {
    line("level." + logger, level_name(level));
  }
  for (const auto& [place, level] : config.site_levels) {
    line("site_level." + place, level_name(level));
  }
  for (const auto& [place, limit] : config.site_limits) {
    const std::string amount = std::to_string(limit.amount);
    line("site_limit." + place,
         limit.kind == front::PlaceLimit::Kind::kRate ? amount + "/s" : "1/" + amount);
  }
  for (const auto& [logger, records] : config.backtraces) {
    line(logger.empty() ? "backtrace" : "backtrace." + logger, std::to_string(records));
  }
  line("mode", config.mode == Mode::immediate ? "immediate" : "asynchronous");
  line("overflow", config.overflow == Overflow::block ? "block" : "drop_newest");
  line("block_deadline_ms", std::to_string(config.block_deadline_ms));
  line("ring_bytes", std::to_string(config.ring_bytes));
  line("journal_bytes", std::to_string(config.journal_bytes));
  line("merge_window_us", std::to_string(config.merge_window_us));
  line("stop_deadline_ms", std::to_string(config.stop_deadline_ms));
  line("sync_interval_ms", std::to_string(config.sync_interval_ms));
  line("metrics_interval_ms", std::to_string(config.metrics_interval_ms));
  line("measure_calls", config.measure_calls ? "on" : "off");
  line("sites_max", std::to_string(config.sites_max));
  line("region_directory", config.region_directory.empty() ? "default" : config.region_directory);
  line("recover", config.recover ? "on" : "off");
  line("collector", config.collector == Collector::off    ? "off"
                    : config.collector == Collector::only ? "only"
                                                          : "auto");
  line("collector_socket", config.collector_socket.empty() ? "default" : config.collector_socket);
  line("quiet", config.quiet ? "on" : "off");
  line("redact", config.redact);
  for (std::size_t i = 0; i < config.sinks.size(); ++i) {
    const back::SinkConfig& sink = config.sinks[i];
    std::string value(kind_name(sink.kind));
    if (!sink.path.empty()) value += " " + sink.path;
    value += sink.required ? ", required" : ", best effort";
    value += ", level " + std::string(level_name(sink.level));
    if (!sink.logger.empty()) value += ", logger " + sink.logger;
    if (sink.rotate_bytes) value += ", rotate at " + std::to_string(sink.rotate_bytes) + " bytes";
    if (sink.rotate_seconds) {
      value += ", rotate after " + std::to_string(sink.rotate_seconds) + " seconds";
    }
    if (!sink.rotate_at.empty()) value += ", rotate at " + sink.rotate_at;
    if (sink.keep_files) value += ", keep " + std::to_string(sink.keep_files) + " rotated files";
    if (sink.compress) value += ", compressed";
    if (sink.keep_seconds) value += ", keep " + std::to_string(sink.keep_seconds) + " seconds";
    if (sink.keep_rows) value += ", keep " + std::to_string(sink.keep_rows) + " rows";
    if (sink.keep_bytes) value += ", keep " + std::to_string(sink.keep_bytes) + " bytes";
    if (sink.keep_whole_runs) value += ", whole runs first";
    if (sink.full_text) value += ", full text";
    if (sink.kind == SinkKind::console) {
      value += ", standard error from " + std::string(level_name(sink.stderr_level));
    }
    if (sink.color != Color::automatic) {
      value += sink.color == Color::always ? ", always in colour" : ", never in colour";
    }
    if (sink.schema == JsonSchema::otel) value += ", schema otel";
    if (sink.schema == JsonSchema::ecs) value += ", schema ecs";
    if (sink.kind == SinkKind::syslog) value += ", facility " + std::to_string(sink.facility);
    if (!sink.pattern.empty()) value += ", pattern " + sink.pattern;
    line("sink[" + std::to_string(i) + "]", value);
  }
  return text;
}

}  // namespace sluice::runtime
