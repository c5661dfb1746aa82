// What the daemon reads of others: its configuration, messages of the ingest socket, lines of the
// admin socket, the names in a request's Host and Origin. Any bytes give a value or a message, and
// a configuration that was accepted reads back to the same from what it is printed as.
#include <cstdlib>
#include <string>

#include "collector/admin.h"
#include "collector/config.h"
#include "collector/http_server.h"
#include "collector/ingest_message.h"

namespace {

using namespace sluice::collector;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_configuration(std::string_view untrusted) {
  ServeConfig config;
  std::vector<std::string> mistakes;
  read_file_text(untrusted, "fuzz", config, mistakes);
  for (const std::string& mistake : mistakes) require(mistake.starts_with("fuzz:"));
  check_together(config, mistakes);
  // Also when some of it was refused: what was taken is sound.
  ServeConfig again;
  std::vector<std::string> none;
  read_file_text(to_toml(config), "fuzz", again, none);
  require(none.empty() && again == config);
}

void read_values(std::string_view untrusted) {
  for (const Setting& setting : settings()) {
    ServeConfig config;
    if (!parse(setting, untrusted, config).empty()) continue;
    ServeConfig again;
    require(parse(setting, text_of(setting, config), again).empty() && again == config);
  }
}

// A message is the same whatever follows it; what is less than one is short.
void read_message(std::string_view untrusted) {
  const IngestMessage message = read_ingest(untrusted);
  if (message.kind == IngestMessage::kPart) require(untrusted.size() < kIngestMessageMax);
  if (message.kind == IngestMessage::kWrong) require(!message.problem.empty());
  if (message.bytes == 0) return;
  require(message.bytes <= untrusted.size());
  const std::string alone(untrusted.substr(0, message.bytes));
  const IngestMessage again = read_ingest(alone);
  require(again.kind == message.kind && again.bytes == message.bytes &&
          again.region == message.region && again.process == message.process);
  if (message.kind == IngestMessage::kEnd) require(message.process.is_whole());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view untrusted(reinterpret_cast<const char*>(data), size);
  read_configuration(untrusted);
  read_values(untrusted);
  read_message(untrusted);
  const auto command = admin_command(untrusted);
  require(!command || untrusted.ends_with(*command));
  // No name of this machine has a letter but localhost's, or is without a digit or that.
  if (names_this_machine(untrusted)) {
    require(untrusted.starts_with("localhost") || untrusted.starts_with("127.") ||
            untrusted.starts_with("["));
  }
  if (comes_from_this_machine(untrusted)) require(untrusted.find("://") != std::string_view::npos);
  require(same_secret(untrusted, std::string(untrusted)));
  return 0;
}
