// The clock page under every interleaving and every stale read (P17): a reader has the words of one
// write or knows that it has not, and so has whoever finds the page of a writer that died.
#include "region/clock_page.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"

namespace sluice::explorer {
namespace {

using region::ClockOrders;
using region::ClockPageOf;
using region::ClockWords;

ClockWords words_of(u64 write) {
  return {write, 10 * write, 20 * write, 30 * write, 40 * write, 50 * write};
}

// The number of the write that is read; ~0: of none.
template <class Orders>
u64 read_one(const ClockPageOf<ModelSync, Orders>& page) {
  ClockWords words;
  if (!page.read(words)) return ~u64{0};
  const ClockWords whole = words_of(words.ticks);
  check(words.wall_ns == whole.wall_ns && words.monotonic_ns == whole.monotonic_ns &&
            words.boot_ns == whole.boot_ns && words.ns_per_tick_2_32 == whole.ns_per_tick_2_32 &&
            words.epoch == whole.epoch,
        "the words of one write");
  return words.ticks;
}

template <class Orders>
void name_words(Scenario& s, ClockPageOf<ModelSync, Orders>& page) {
  s.name(&page.version, "version");
  s.name(&page.ticks, "ticks");
  s.name(&page.epoch, "epoch");
}

template <class Orders>
Result read_beside_writes() {
  return explore({.preemptions = 2}, [](Scenario& s) {
    auto& page = s.make<ClockPageOf<ModelSync, Orders>>();
    name_words(s, page);
    s.thread("writer", [&page] {
      page.write(words_of(1));
      page.write(words_of(2));
    });
    s.thread("reader", [&page] { read_one(page); });
    s.finally([&page] { check(read_one(page) == 2, "the last write is read"); });
  });
}

template <class Orders>
Result read_behind_a_death() {
  return explore({}, [](Scenario& s) {
    auto& page = s.make<ClockPageOf<ModelSync, Orders>>();
    name_words(s, page);
    s.killable_thread("dies", [&page] {
      page.write(words_of(1));
      page.write(words_of(2));
    });
    s.finally([&page] { read_one(page); });
  });
}

TEST(ClockPage, WordsOfOneWrite) {
  expect_holds("read beside two writes, 2 preemptions", read_beside_writes<ClockOrders>());
  expect_holds("read behind the death of the writer", read_behind_a_death<ClockOrders>());
}

SLUICE_WEAKER(ClockOrders, store_word, relaxed);
SLUICE_WEAKER(ClockOrders, load_word, relaxed);
SLUICE_WEAKER(ClockOrders, publish_version, relaxed);
SLUICE_WEAKER(ClockOrders, read_version, relaxed);

TEST(ClockPage, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"store_word", read_beside_writes<ClockOrders_store_word>},
      {"load_word", read_beside_writes<ClockOrders_load_word>},
      {"publish_version", read_beside_writes<ClockOrders_publish_version>},
      {"read_version", read_beside_writes<ClockOrders_read_version>},
      {"store_word", read_behind_a_death<ClockOrders_store_word>},
      {"publish_version", read_behind_a_death<ClockOrders_publish_version>},
  };
  expect_all_listed("src/region/clock_page.h", "ClockOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
