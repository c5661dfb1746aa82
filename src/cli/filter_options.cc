#include "cli/filter_options.h"

#include <CLI/CLI.hpp>

#include "os/process.h"

namespace sluice::cli {

void add_filter_options(CLI::App& app, FilterOptions& options) {
  app.add_option("--level", options.level, "This level and worse")->type_name("LEVEL");
  app.add_option("--logger", options.logger, "This logger; net.* all below it")->type_name("NAME");
  app.add_option("--grep", options.grep, "Messages that hold TEXT")->type_name("TEXT");
  app.add_option("--field", options.fields, "Records whose field has this value; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add_range_options(app, options);
}

void add_range_options(CLI::App& app, FilterOptions& options) {
  app.add_option("--since", options.since, "From this time on: 10m, yesterday, @unix, RFC 3339")
      ->type_name("TIME");
  app.add_option("--until", options.until, "Before this time")->type_name("TIME");
  app.add_option("--run", options.run, "Records of the run whose id begins with ID")
      ->type_name("ID");
  app.add_option("--limit", options.limit, "At most N records")->type_name("N");
}

Filter make_filter(const FilterOptions& options, std::vector<std::string>& mistakes) {
  Filter filter;
  const i64 now = os::wall_ns();
  if (!options.level.empty()) {
    take(parse_level_option(options.level), "--level", filter.level, mistakes);
  }
  if (!options.since.empty()) {
    take(parse_time(options.since, now), "--since", filter.since_ns, mistakes);
  }
  if (!options.until.empty()) {
    take(parse_time(options.until, now), "--until", filter.until_ns, mistakes);
  }
  if (!options.limit.empty()) take(parse_limit(options.limit), "--limit", filter.limit, mistakes);
  for (const std::string& field : options.fields) {
    std::optional<FieldMatch> match;
    take(parse_field(field), "--field", match, mistakes);
    if (match) filter.fields.push_back(std::move(*match));
  }
  filter.logger = options.logger;
  filter.grep = options.grep;
  filter.run = options.run;
  return filter;
}

}  // namespace sluice::cli
