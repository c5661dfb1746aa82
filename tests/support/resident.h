// How much of a range of addresses has memory behind it now.
#ifndef SLUICE_TESTS_SUPPORT_RESIDENT_H_
#define SLUICE_TESTS_SUPPORT_RESIDENT_H_

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "os/memory.h"

namespace sluice::testing {

// `at` begins a page.
inline u64 resident_bytes(void* at, u64 bytes) {
  std::vector<unsigned char> pages(bytes / os::kPageBytes);
  EXPECT_EQ(::mincore(at, bytes, pages.data()), 0);
  u64 resident = 0;
  for (const unsigned char page : pages) resident += page & 1u;
  return resident * os::kPageBytes;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SUPPORT_RESIDENT_H_
