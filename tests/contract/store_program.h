// What the tests of sluice::Store begin with: a store in the test's own folder.
#ifndef SLUICE_TESTS_CONTRACT_STORE_PROGRAM_H_
#define SLUICE_TESTS_CONTRACT_STORE_PROGRAM_H_

#include <sluice/store.h>

#include <cstdlib>

#include "contract/isolated.h"

namespace sluice::test {

inline StoreOptions options_for(const Dirs& dirs) {
  StoreOptions options;
  options.wait_ms = 60'000;
  options.start.region_directory = dirs.region;
  return options;
}

inline Store open_store(const Dirs& dirs) {
  Result<Store> store = Store::open(dirs.file("app.db"), options_for(dirs));
  if (!store.ok()) {
    ADD_FAILURE() << store.status().message();
    std::exit(kChildFailed);
  }
  return std::move(store.value());
}

template <class T>
T expect_ok(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().message();
    std::exit(kChildFailed);
  }
  return std::move(result.value());
}

inline std::int64_t number(const Store& store, std::string_view sql) {
  const Rows rows = expect_ok(store.query(sql));
  return rows[0].get<std::int64_t>(0).value_or(-1);
}

// At the end of a test, before the counts are checked: a store that nobody has closed goes on until
// here, and leaves nothing behind.
inline void expect_nothing_queued() {
  (void)stop(60'000);
  const Stats told = stats();
  EXPECT_EQ(told.queued, 0u);
  for (std::uint32_t i = 0; i < told.sinks; ++i) EXPECT_EQ(told.sink[i].queued, 0u) << i;
}

}  // namespace sluice::test

// An ISOLATED_TEST with that at its end.
#define STORE_TEST(suite, name)                                   \
  static void suite##_##name##_body(const ::sluice::test::Dirs&); \
  ISOLATED_TEST(suite, name) {                                    \
    suite##_##name##_body(dirs);                                  \
    ::sluice::test::expect_nothing_queued();                      \
  }                                                               \
  static void suite##_##name##_body([[maybe_unused]] const ::sluice::test::Dirs& dirs)

#endif  // SLUICE_TESTS_CONTRACT_STORE_PROGRAM_H_
