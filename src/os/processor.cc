// What the processor says of itself, whatever the system.
#include "os/process.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace sluice::os {

bool has_invariant_tsc() {
#if defined(__x86_64__)
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

}  // namespace sluice::os
