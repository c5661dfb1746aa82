// For benchmarks of what may fail: its value, or the end of the process with the reason said.
#ifndef SLUICE_BENCH_MUST_H_
#define SLUICE_BENCH_MUST_H_

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sluice/status.h"

namespace sluice {

inline void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::_Exit(1);
}
template <class T>
T must(Result<T> result) {
  must(result.status());
  return std::move(result.value());
}

}  // namespace sluice

#endif  // SLUICE_BENCH_MUST_H_
