#include "sink/filter.h"

namespace sluice::sink {

Result<std::string> Filter::parse_logger(std::string_view text) {
  std::string_view name = text;
  if (name.ends_with("*")) name.remove_suffix(1);
  if (name.size() < text.size() && !name.empty() && !name.ends_with(".")) name = "*";
  if (name.ends_with(".")) name.remove_suffix(1);
  if (name.find('*') != std::string_view::npos) {
    return fatal("logger \"" + std::string(text) +
                 "\": a star stands only at the end, behind a dot (\"net.*\")");
  }
  return std::string(name);
}

Filter::Filter(const back::SinkConfig& config) : level_(config.level) {
  Result<std::string> logger = parse_logger(config.logger);
  if (logger.ok()) logger_ = std::move(logger.value());
}

}  // namespace sluice::sink
