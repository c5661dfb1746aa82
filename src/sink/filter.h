// Which records a sink takes: by level, and by logger.
//
// Records of the engine (drop reports, gaps) pass every filter: a log that lacks records says so in
// whatever part of it is looked at. Only the level `off` keeps them out too.
//
// Threading: a value, read-only after construction.
#ifndef SLUICE_SRC_SINK_FILTER_H_
#define SLUICE_SRC_SINK_FILTER_H_

#include <string>
#include <string_view>

#include "back/sink.h"
#include "record/site.h"

namespace sluice::sink {

class Filter {
 public:
  explicit Filter(const back::SinkConfig& config);

  // True when every record passes, so that nobody needs to look.
  [[nodiscard]] bool passes_all() const { return level_ <= Level::trace && logger_.empty(); }
  [[nodiscard]] bool needs_logger() const { return !logger_.empty(); }
  [[nodiscard]] bool passes_level(const Site& site) const { return site.level >= level_; }
  [[nodiscard]] bool passes(const Site& site, std::string_view logger) const {
    return passes_level(site) && (logger_.empty() || covers(logger));
  }
  [[nodiscard]] bool passes_engine() const { return level_ != Level::off; }

  // What a logger filter means: "net", "net." and "net.*" are the logger net and those below it;
  // "*" and "" are all. An error for a star elsewhere.
  [[nodiscard]] static Result<std::string> parse_logger(std::string_view text);

 private:
  [[nodiscard]] bool covers(std::string_view logger) const {
    return logger.starts_with(logger_) &&
           (logger.size() == logger_.size() || logger[logger_.size()] == '.');
  }

  Level level_;
  std::string logger_;
};

}  // namespace sluice::sink

#endif  // SLUICE_SRC_SINK_FILTER_H_
