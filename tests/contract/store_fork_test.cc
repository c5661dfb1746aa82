// sanitizers: none (children of a program with threads, which leave those threads' memory alone)
//
// A forked child goes on with its parent's sluice::Store, and its parent is not disturbed.
#include <sluice/sluice.h>

#include <atomic>
#include <thread>

#include "contract/store_program.h"

namespace sluice::test {
namespace {

// A child goes on with the handle, in the same file; its parent is not disturbed.
STORE_TEST(StoreFork, AForkedChildGoesOn) {
  Store store = open_store(dirs);
  const std::uint64_t hook = expect_ok(store.on_commit([](const Commit&) {}));
  store.log(Level::info, "parent", "before");
  ASSERT_TRUE(store.flush(60'000).ok());
  Cursor cursor = expect_ok(store.cursor("SELECT id FROM logs"));
  const int code = exit_code_of([&] {
    store.log(Level::info, "child", "hello");
    EXPECT_EQ(number(store, "SELECT count(*) FROM logs WHERE module = 'child'"), 1);
    EXPECT_FALSE(cursor.next().ok());
    store.remove_hook(hook);
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(expect_ok(cursor.next()));
  store.log(Level::info, "parent", "after");
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 3);
}

STORE_TEST(StoreFork, AForkedChildHasAPrivateFileOfItsOwn) {
  Store store = expect_ok(Store::open(":memory:", options_for(dirs)));
  store.log(Level::info, "parent", "before");
  ASSERT_TRUE(store.flush(60'000).ok());
  const int code = exit_code_of([&] {
    store.log(Level::info, "child", "hello");
    EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1);
    EXPECT_TRUE(store.close().ok());
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(std::filesystem::exists(store.path()));
  EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1);
}

STORE_TEST(StoreFork, ACursorOfTheParentHasNoValuesInTheChild) {
  Store store = open_store(dirs);
  store.log(Level::info, "parent", "before");
  Cursor cursor = expect_ok(store.cursor("SELECT message FROM logs"));
  EXPECT_TRUE(expect_ok(cursor.next()));
  EXPECT_EQ(exit_code_of([&] {
              store.log(Level::info, "child", "hello");
              EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 2);
              EXPECT_TRUE(cursor[0].is_null());
            }),
            0);
  EXPECT_EQ(cursor.get<std::string>(0), "before");
}

STORE_TEST(StoreFork, AForkedChildMayAskBeforeItLogs) {
  Store store = open_store(dirs);
  store.log(Level::info, "parent", "before");
  ASSERT_TRUE(store.flush(60'000).ok());
  EXPECT_EQ(exit_code_of([&] {
              EXPECT_TRUE(store.status().ok());
              EXPECT_EQ(number(store, "SELECT count(*) FROM logs"), 1);
            }),
            0);
}

// Threads that ask hold locks; a child has none of these threads.
STORE_TEST(StoreFork, AForkFindsReadersAtWork) {
  Store store = open_store(dirs);
  store.log(Level::info, "m", "row");
  ASSERT_TRUE(store.flush(60'000).ok());
  std::atomic<bool> ended{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!ended) (void)store.query("SELECT 1", {}, QueryOptions{.wait = false});
    });
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(exit_code_of([&] {
                ::alarm(20);
                store.log(Level::info, "child", "hello");
                (void)store.query("SELECT 1", {}, QueryOptions{.wait = false});
                std::_Exit(0);
              }),
              0)
        << i;
  }
  ended = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::test
