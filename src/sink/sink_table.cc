#include "sink/sink_table.h"

#include <algorithm>
#include <charconv>

#include "base/fixed_text.h"
#include "os/path.h"
#include "record/severity.h"
#include "sink/filter.h"
#include "sink/rotation_time.h"

namespace sluice::sink {
namespace {

constexpr std::size_t kNameBytesMax = 255;  // of a file
constexpr std::size_t kLockBytes = 6;       // what a lock file's name is longer: "." and ".lock"

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\0'; });
}

std::string options_text(const back::SinkConfig& config) {
  std::string text;
  const auto put = [&text](std::string_view key, std::string_view value) {
    text.append(key).append("=").append(value).append("\n");
  };
  put("name", config.name);
  put("pattern", config.pattern);
  put("schema", std::to_string(u32(config.schema)));
  put("facility", std::to_string(u32(config.facility)));
  put("level", std::to_string(u32(config.level)));
  put("logger", config.logger);
  put("rotate_bytes", std::to_string(config.rotate_bytes));
  put("rotate_seconds", std::to_string(config.rotate_seconds));
  put("rotate_at", config.rotate_at);
  put("keep_files", std::to_string(config.keep_files));
  put("compress", config.compress ? "1" : "0");
  put("color", std::to_string(u32(config.color)));
  put("stderr_level", std::to_string(u32(config.stderr_level)));
  put("commit_records", std::to_string(config.commit_records));
  put("sync_each_commit", config.sync_each_commit ? "1" : "0");
  put("keep_seconds", std::to_string(config.keep_seconds));
  put("keep_rows", std::to_string(config.keep_rows));
  put("keep_bytes", std::to_string(config.keep_bytes));
  put("keep_whole_runs", config.keep_whole_runs ? "1" : "0");
  put("full_text", config.full_text ? "1" : "0");
  put("private_file", config.private_file ? "1" : "0");
  return text;
}

template <class T>
bool read_number(std::string_view text, u64 max, T& out) {
  u64 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return false;
  out = T(value);
  return true;
}

bool read_option(std::string_view key, std::string_view value, back::SinkConfig& config) {
  if (key == "name") return config.name = value, true;
  if (key == "pattern") return config.pattern = value, true;
  if (key == "logger") return config.logger = value, true;
  if (key == "schema") return read_number(value, u64(JsonSchema::ecs), config.schema);
  if (key == "facility") return read_number(value, kFacilityMax, config.facility);
  if (key == "level") return read_number(value, 255, config.level);
  if (key == "stderr_level") return read_number(value, 255, config.stderr_level);
  if (key == "rotate_bytes") return read_number(value, ~u64{0}, config.rotate_bytes);
  if (key == "rotate_seconds") return read_number(value, ~u64{0}, config.rotate_seconds);
  if (key == "rotate_at") return config.rotate_at = value, true;
  if (key == "keep_files") return read_number(value, ~u32{0}, config.keep_files);
  if (key == "compress") return read_number(value, 1, config.compress);
  if (key == "commit_records") return read_number(value, ~u32{0}, config.commit_records);
  if (key == "sync_each_commit") return read_number(value, 1, config.sync_each_commit);
  if (key == "keep_seconds") return read_number(value, ~u64{0}, config.keep_seconds);
  if (key == "keep_rows") return read_number(value, ~u64{0}, config.keep_rows);
  if (key == "keep_bytes") return read_number(value, ~u64{0}, config.keep_bytes);
  if (key == "keep_whole_runs") return read_number(value, 1, config.keep_whole_runs);
  if (key == "full_text") return read_number(value, 1, config.full_text);
  if (key == "private_file") return read_number(value, 1, config.private_file);
  if (key == "color") return read_number(value, u64(Color::never), config.color);
  return true;
}

bool is_kind(u32 kind) { return kind >= u32(SinkKind::console) && kind <= u32(SinkKind::journald); }

Status check_path(const back::SinkConfig& config) {
  const std::string& path = config.path;
  if (!os::is_absolute(path)) {
    return fatal("path \"" + path + "\" must be absolute");
  }
  if (!is_one_line(path)) return fatal("the path holds a newline or a zero byte; take it out");
  if (path.size() >= sizeof(region::SinkEntry::path)) {
    return fatal("path of " + std::to_string(path.size()) + " bytes: at most " +
                 std::to_string(sizeof(region::SinkEntry::path) - 1));
  }
  if (config.kind == SinkKind::segments) return {};
  const std::string name = path.substr(path.rfind('/') + 1);
  if (name.empty() || name == "." || name == "..") {
    return fatal("path \"" + path + "\" names a directory; name a file in it");
  }
  if (name.size() + kLockBytes > kNameBytesMax) {
    return fatal("file name of " + std::to_string(name.size()) + " bytes: at most " +
                 std::to_string(kNameBytesMax - kLockBytes));
  }
  return {};
}

}  // namespace

Status check_config(const back::SinkConfig& config) {
  if (!is_kind(u32(config.kind))) return fatal("a sink of an unknown kind");
  if (back::owns_files(config.kind)) {
    Status status = check_path(config);
    if (!status.ok()) return status;
  }
  for (const std::string* text : {&config.name, &config.pattern, &config.logger}) {
    if (!is_one_line(*text)) {
      return fatal("\"" + *text + "\" holds a newline or a zero byte; take it out");
    }
  }
  if (options_text(config).size() > sizeof(region::SinkEntry::options)) {
    return fatal("name, pattern and logger together take more than " +
                 std::to_string(sizeof(region::SinkEntry::options)) + " bytes; shorten them");
  }
  const auto rotate_at = parse_time_of_day(config.rotate_at);
  if (!rotate_at.ok()) return fatal("rotate_at: " + rotate_at.status().message());
  return Filter::parse_logger(config.logger).status();
}

void write_entry(const back::SinkConfig& config, region::SinkEntry& entry) {
  const std::string options = options_text(config);
  entry.kind = u32(config.kind);
  entry.required = config.required ? 1 : 0;
  copy_text(entry.path, config.path);
  entry.options_bytes = u32(std::min(options.size(), sizeof entry.options));
  std::copy_n(options.data(), entry.options_bytes, entry.options);
}

Result<back::SinkConfig> read_entry(const region::SinkEntry& untrusted) {
  // Copied first: whoever can write it may do so while we look.
  const u32 kind = untrusted.kind;
  const u32 bytes = untrusted.options_bytes;
  if (!is_kind(kind)) return fatal("the region has a sink of kind " + std::to_string(kind));
  if (bytes > sizeof untrusted.options) return fatal("the region has a sink without sound options");
  const std::string options(untrusted.options, bytes);
  back::SinkConfig config;
  config.kind = SinkKind(kind);
  config.path = field_text(untrusted.path);
  config.required = untrusted.required != 0;
  for (std::string_view rest = options; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos ||
        !read_option(line.substr(0, equals), line.substr(equals + 1), config)) {
      return fatal("the region has a sink with a damaged option");
    }
  }
  Status status = check_config(config);
  if (!status.ok()) return fatal("in the region's sink table: " + status.message());
  return config;
}

bool is_collectors(const region::SinkEntry& untrusted) {
  const Result<back::SinkConfig> config = read_entry(untrusted);
  return config.ok() && config.value().kind == SinkKind::store &&
         config.value().name == kCollectorsPlace;
}

}  // namespace sluice::sink
