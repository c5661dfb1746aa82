// The options of the one filter grammar (record/filter.h), as texts and read.
//
// Threading: the main thread.
#ifndef SLUICE_SRC_CLI_FILTER_OPTIONS_H_
#define SLUICE_SRC_CLI_FILTER_OPTIONS_H_

#include <string>
#include <vector>

#include "record/filter.h"

namespace CLI {
class App;
}

namespace sluice::cli {

struct FilterOptions {
  std::string level;
  std::string since;
  std::string until;
  std::string logger;
  std::string grep;
  std::vector<std::string> fields;
  std::string run;
  std::string limit;
};

void add_filter_options(CLI::App& app, FilterOptions& options);
// Those that samples have too: --since --until --run --limit.
void add_range_options(CLI::App& app, FilterOptions& options);

// Reads the texts of the options; adds every mistake.
[[nodiscard]] Filter make_filter(const FilterOptions& options, std::vector<std::string>& mistakes);

// Reads one option's text into `to`; a mistake says which option it is.
template <class T>
void take(Result<T> result, std::string_view option, std::optional<T>& to,
          std::vector<std::string>& mistakes) {
  if (result.ok()) {
    to = std::move(result.value());
  } else {
    mistakes.push_back(std::string(option) + ": " + result.status().message());
  }
}

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_FILTER_OPTIONS_H_
