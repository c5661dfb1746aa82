// Where parts that must report (sinks, streams) say what happened to them.
#ifndef SLUICE_SRC_BASE_REPORTER_H_
#define SLUICE_SRC_BASE_REPORTER_H_

#include <string_view>

namespace sluice {

class Reporter {
 public:
  virtual ~Reporter() = default;
  // One sentence for the operator: what, where, how to mend. Thread-safe; may block briefly.
  virtual void report(std::string_view sentence) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SRC_BASE_REPORTER_H_
