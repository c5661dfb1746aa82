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

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CONTRACT_STORE_PROGRAM_H_
