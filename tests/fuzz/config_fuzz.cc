// Texts that people write: levels, sizes, patterns, filters, sink options. Any bytes give a value
// or a message, and what was accepted is accepted again from what it is written as.
#include <sluice/sluice.h>

#include <cstdlib>
#include <string>

#include "record/filter.h"
#include "record/text_pattern.h"
#include "runtime/config.h"
#include "sink/sink_table.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Level level{};
  if (parse_level(text, level)) {
    Level again{};
    require(parse_level(level_name(level), again) && again == level);
  }
  u64 bytes = 0;
  if (runtime::parse_bytes(text, bytes)) {
    u64 again = 0;
    require(runtime::parse_bytes(std::to_string(bytes), again) && again == bytes);
  }
  const auto pattern = TextPattern::compile(text, {});
  require(pattern.ok() || !pattern.status().message().empty());

  // As a variable: everything is said at once, nothing is started.
  if (text.find('\0') == std::string::npos) {
    ::setenv("SLUICE_LEVEL", text.c_str(), 1);
    ::setenv("SLUICE_RING_BYTES", text.c_str(), 1);
    ::setenv("SLUICE_TEXT", text.c_str(), 1);
    ::setenv("SLUICE_PRODUCT", text.c_str(), 1);
    runtime::Config config;
    for (const std::string& mistake : runtime::make_config({}, config)) {
      require(!mistake.empty());
    }
    (void)runtime::to_text(config);
  }

  // As a sink's entry in a region that anybody may have written.
  static region::SinkEntry entry;
  if (size >= 8) {
    entry.kind = data[0] % 8;
    entry.required = data[1] & 1;
    entry.options_bytes = load<u32>(data + 2) % (sizeof entry.options + 16);
    const std::size_t path_bytes = std::min(size - 8, sizeof entry.path);
    std::memset(entry.path, data[6], sizeof entry.path);
    std::memcpy(entry.path, data + 8, path_bytes);
    std::memset(entry.options, data[7], sizeof entry.options);
    std::memcpy(entry.options, data + 8, std::min(size - 8, sizeof entry.options));
    const Result<back::SinkConfig> config = sink::read_entry(entry);
    if (config.ok()) {
      static region::SinkEntry written;
      sink::write_entry(config.value(), written);
      const Result<back::SinkConfig> again = sink::read_entry(written);
      const SinkKind kind = config.value().kind;
      const bool has_path = kind != SinkKind::console && kind != SinkKind::callback;
      require(again.ok() && (!has_path || again.value().path == config.value().path) &&
              again.value().pattern == config.value().pattern &&
              again.value().level == config.value().level);
    }
  }
  return 0;
}
