// Registration beside registration, beside calls, beside changes of levels and stop(): every record
// leads its reader to the definition of its site (P6, P7) and to the name of its logger (P7, P16),
// and when all is quiet every control byte is what the levels say (P12), or closed.
#include "region/registration.h"

#include <gtest/gtest.h>

#include "explorer/explorer.h"
#include "explorer/orders.h"
#include "explorer/report.h"
#include "sluice/detail/call_site.h"

namespace sluice::explorer {
namespace {

using detail::kClosed;
using detail::kCold;
using detail::kOff;
using detail::kOn;
using detail::SiteOrders;
using detail::SiteWords;
using region::Registration;
using region::RegistrationOrders;

constexpr u32 kSites = 3;  // 0: no site
constexpr int kCallers = 2;

struct Directory {
  alignas(8) char dictionary[4][16] = {};
  Atomic<u32> dictionary_used{0};
  Atomic<u64> text[kSites] = {0, 0, 0};
  Atomic<u8> control[kSites] = {u8{kCold}, u8{kCold}, u8{kCold}};
  Atomic<u32> next{1};
};

// Writes and publishes the definition of site `id`: two words that say its number. Two threads may
// do so for one id; both definitions are right.
template <class Orders>
void define(Directory& directory, u32 id) {
  const u32 place = directory.dictionary_used.fetch_add(1, std::memory_order_relaxed);
  ModelSync::write_word(directory.dictionary[place], id);
  ModelSync::write_word(directory.dictionary[place] + 8, ~u64{id});
  Registration<ModelSync, Orders>::publish_text(directory.text[id], u64{place} << 32 | 16);
}

// Whether the definition is published; it is whole then.
template <class Orders>
bool is_defined(Directory& directory, u32 id) {
  const u64 place = Registration<ModelSync, Orders>::read_text(directory.text[id]);
  if (place == 0) return false;
  const char* definition = directory.dictionary[place >> 32];
  check(ModelSync::read_word(definition) == id, "the definition, first word");
  check(ModelSync::read_word(definition + 8) == ~u64{id}, "its second word");
  return true;
}

// A reader that comes by no record: a catalog that walks all sites.
template <class Orders>
Result walk_beside_registration() {
  return explore({}, [](Scenario& s) {
    auto& directory = s.make<Directory>();
    s.thread("registers", [&] { define<Orders>(directory, 1); });
    s.thread("walks", [&] { is_defined<Orders>(directory, 1); });
  });
}

template <class Orders>
struct Calls {
  Directory directory;
  SiteWords<ModelSync, Orders> site{&directory.control[0]};
  alignas(8) char record[kCallers][8] = {};
  Atomic<u32> head[kCallers] = {0, 0};
};

enum class Number { kFirstHolds, kLastHolds };

// What the call does, its cold path included: registers where the byte is cold.
template <class Orders>
void call(Calls<Orders>& calls, int caller, Number number) {
  Directory& directory = calls.directory;
  if (calls.site.control_value() == kCold) {
    const u32 before = calls.site.id.load(std::memory_order_relaxed);
    const u32 id = before != 0 ? before : directory.next.fetch_add(1, std::memory_order_relaxed);
    if (Registration<ModelSync>::read_text(directory.text[id]) == 0) {
      define<RegistrationOrders>(directory, id);
    }
    u32 held = id;
    if (number == Number::kFirstHolds) {
      held = calls.site.publish_id(before, id);
    } else {
      calls.site.id.store(id, std::memory_order_relaxed);
    }
    if (Registration<ModelSync>::read_text(directory.text[held]) != 0) {
      Registration<ModelSync>::set_control(directory.control[held], kOn);
    }
    calls.site.publish_control(&directory.control[held]);
  }
  if (calls.site.control_value() != kOn) return;
  ModelSync::write_word(calls.record[caller], calls.site.id.load(std::memory_order_relaxed));
  calls.head[caller].store(1, std::memory_order_release);
}

// Two threads call a fresh site at once; the second may also come when the first has registered it.
template <class Orders>
Result two_first_calls(Number number = Number::kFirstHolds) {
  return explore({.preemptions = 2}, [number](Scenario& s) {
    auto& calls = s.make<Calls<Orders>>();
    s.name(&calls.site.id, "id");
    s.name(&calls.site.control, "control");
    s.name(&calls.head[0], "head 0");
    s.name(&calls.head[1], "head 1");
    s.name(&calls.directory.text[1], "text 1");
    s.name(&calls.directory.text[2], "text 2");
    s.thread("first", [&, number] { call(calls, 0, number); });
    s.thread("second", [&, number] { call(calls, 1, number); });
    s.thread("reader", [&] {
      for (int i = kCallers; i-- > 0;) {
        if (calls.head[i].load(std::memory_order_acquire) == 0) continue;
        const u64 id = ModelSync::read_word(calls.record[i]);
        check(id != 0 && id < kSites, "a number that was given");
        check(is_defined<RegistrationOrders>(calls.directory, u32(id)), "its definition is there");
      }
    });
  });
}

constexpr u32 kLoggers = 3;  // 0: the root

struct Names {
  alignas(8) char name[kLoggers][8] = {};
  Atomic<u16> bytes[kLoggers] = {u16{0}, u16{0}, u16{0}};
  Atomic<u32> used{1};
  Atomic<u8> threshold[kLoggers] = {u8{0}, u8{0}, u8{0}};
};

constexpr u64 kName = 0x706d616c;

// Whether the name is published; it is whole then.
template <class Orders>
bool is_named(Names& names, u32 index) {
  if (Registration<ModelSync, Orders>::read_name(names.bytes[index]) == 0) return false;
  check(ModelSync::read_word(names.name[index]) == kName, "the name");
  return true;
}

// As front::find_logger().
template <class Orders>
u32 find_logger(Names& names) {
  const u32 used = names.used.load(std::memory_order_relaxed);
  for (u32 i = 1; i < used; ++i) {
    if (is_named<Orders>(names, i)) return i;
  }
  const u32 index = names.used.fetch_add(1, std::memory_order_relaxed);
  ModelSync::write_word(names.name[index], kName);
  names.threshold[index].store(9, std::memory_order_relaxed);
  Registration<ModelSync, Orders>::publish_name(names.bytes[index], sizeof kName);
  return index;
}

// A change of levels that walks all names.
template <class Orders>
Result walk_beside_a_name() {
  return explore({}, [](Scenario& s) {
    auto& names = s.make<Names>();
    s.thread("registers", [&] { find_logger<Orders>(names); });
    s.thread("walks", [&] { is_named<Orders>(names, 1); });
  });
}

template <class Orders>
struct LoggerCalls {
  Names names;
  SiteWords<ModelSync, Orders> logger{&names.threshold[0]};
  alignas(8) char record[kCallers][8] = {};
  Atomic<u32> head[kCallers] = {0, 0};
};

// What Logger::passes() and find_and_test() do, and the record behind them.
template <class Orders>
void call_logger(LoggerCalls<Orders>& calls, int caller, Number number) {
  Names& names = calls.names;
  if (calls.logger.control_value() == 0) {
    const u32 before = calls.logger.known_id();
    u32 index = before;
    if (before == 0 || !is_named<RegistrationOrders>(names, before)) {
      index = find_logger<RegistrationOrders>(names);
      if (number == Number::kFirstHolds) {
        index = calls.logger.publish_id(before, index);
      } else {
        calls.logger.id.store(index, std::memory_order_relaxed);
      }
    }
    calls.logger.publish_control(&names.threshold[index]);
  }
  ModelSync::write_word(calls.record[caller], calls.logger.id.load(std::memory_order_relaxed));
  calls.head[caller].store(1, std::memory_order_release);
}

// Two threads call by a fresh logger at once, as two_first_calls().
template <class Orders>
Result two_calls_by_a_logger(Number number = Number::kFirstHolds) {
  return explore({.preemptions = 2}, [number](Scenario& s) {
    auto& calls = s.make<LoggerCalls<Orders>>();
    s.name(&calls.logger.id, "id");
    s.name(&calls.logger.control, "threshold");
    s.name(&calls.head[0], "head 0");
    s.name(&calls.head[1], "head 1");
    s.name(&calls.names.bytes[1], "bytes 1");
    s.name(&calls.names.bytes[2], "bytes 2");
    s.thread("first", [&, number] { call_logger(calls, 0, number); });
    s.thread("second", [&, number] { call_logger(calls, 1, number); });
    s.thread("reader", [&] {
      for (int i = kCallers; i-- > 0;) {
        if (calls.head[i].load(std::memory_order_acquire) == 0) continue;
        const u64 id = ModelSync::read_word(calls.record[i]);
        check(id != 0 && id < kLoggers, "a number that was given");
        check(is_named<RegistrationOrders>(calls.names, u32(id)), "its name is there");
      }
    });
  });
}

struct Levels {
  Directory directory;
  Atomic<u32> epoch{0};
  Atomic<u8> threshold{9};  // the site's level is 13
  Atomic<u32> sites_used{1};
};

u8 control_for(Levels& levels) {
  return 13 >= levels.threshold.load(std::memory_order_relaxed) ? u8{kOn} : u8{kOff};
}

template <class Orders>
void compute(Levels& levels, u32 id) {
  using Words = Registration<ModelSync, Orders>;
  if (Words::read_text(levels.directory.text[id]) == 0) return;
  Words::set_control(levels.directory.control[id], control_for(levels));
}

template <class Orders>
void compute_all(Levels& levels) {
  const u32 used = levels.sites_used.load(std::memory_order_relaxed);
  for (u32 id = 1; id < used; ++id) compute<Orders>(levels, id);
}

template <class Orders>
void register_site(Levels& levels) {
  define<Orders>(levels.directory, 1);
  levels.sites_used.store(2, std::memory_order_relaxed);
  Registration<ModelSync, Orders>::settle(levels.epoch, [&] { compute<Orders>(levels, 1); });
}

enum class Beside { kRegistration, kRegistrationAndRefresh, kRegistrationAndStop };

template <class Orders>
Result change_levels(Beside beside, const Options& options = {}) {
  return explore(options, [=](Scenario& s) {
    auto& levels = s.make<Levels>();
    using Words = Registration<ModelSync, Orders>;
    s.name(&levels.epoch, "epoch");
    s.name(&levels.threshold, "threshold");
    s.name(&levels.sites_used, "sites_used");
    s.name(&levels.directory.text[1], "text 1");
    s.name(&levels.directory.control[1], "control 1");
    s.thread("registers", [&] { register_site<Orders>(levels); });
    s.thread("changes", [&] {
      levels.threshold.store(17, std::memory_order_relaxed);
      Words::settle_change(levels.epoch, [&] { compute_all<Orders>(levels); });
    });
    if (beside == Beside::kRegistrationAndRefresh) {
      s.thread("refreshes",
               [&] { Words::settle_change(levels.epoch, [&] { compute_all<Orders>(levels); }); });
    }
    if (beside == Beside::kRegistrationAndStop) {
      s.thread("stops",
               [&] { levels.directory.control[1].store(kClosed, std::memory_order_relaxed); });
    }
    s.finally([=, &levels] {
      const u8 want = beside == Beside::kRegistrationAndStop ? u8{kClosed} : u8{kOff};
      check(levels.directory.control[1].load() == want, "the control byte is right in the end");
    });
  });
}

TEST(Registration, EveryRecordLeadsToItsDefinition) {
  expect_holds("walk beside a registration", walk_beside_registration<RegistrationOrders>());
  expect_holds("two first calls, 2 preemptions", two_first_calls<SiteOrders>());
}

TEST(Registration, EveryRecordLeadsToTheNameOfItsLogger) {
  expect_holds("walk beside a name", walk_beside_a_name<RegistrationOrders>());
  expect_holds("two calls by a logger, 2 preemptions", two_calls_by_a_logger<SiteOrders>());
}

// A number stored over another one: a call may take it by the pointer that the other thread has
// published, and its reader does not find the definition.
TEST(Registration, NumberThatIsReplacedIsCaught) {
  const Result result = two_first_calls<SiteOrders>(Number::kLastHolds);
  print("last number holds", result);
  EXPECT_TRUE(result.failed);
  const Result logger = two_calls_by_a_logger<SiteOrders>(Number::kLastHolds);
  print("last number holds, logger", logger);
  EXPECT_TRUE(logger.failed);
}

TEST(Registration, ControlBytesAreRightInTheEnd) {
  expect_holds("change beside a registration",
               change_levels<RegistrationOrders>(Beside::kRegistration));
  expect_holds(
      "change, refresh, registration, 2 preemptions",
      change_levels<RegistrationOrders>(Beside::kRegistrationAndRefresh, {.preemptions = 2}));
  expect_holds("change beside a registration and stop, 3 preemptions",
               change_levels<RegistrationOrders>(Beside::kRegistrationAndStop, {.preemptions = 3}));
}

// To step the epoch once and compute once more is not enough: what was computed before the change
// may be stored after it.
TEST(Registration, ASingleSecondLookIsCaught) {
  const Result result = explore({}, [](Scenario& s) {
    auto& levels = s.make<Levels>();
    s.thread("registers", [&] {
      define<RegistrationOrders>(levels.directory, 1);
      levels.sites_used.store(2, std::memory_order_relaxed);
      levels.epoch.fetch_add(1, std::memory_order_acq_rel);
      compute<RegistrationOrders>(levels, 1);
    });
    s.thread("changes", [&] {
      levels.threshold.store(17, std::memory_order_relaxed);
      levels.epoch.fetch_add(1, std::memory_order_acq_rel);
      compute_all<RegistrationOrders>(levels);
    });
    s.finally([&] { check(levels.directory.control[1].load() == kOff, "right in the end"); });
  });
  print("single second look", result);
  EXPECT_TRUE(result.failed);
}

SLUICE_WEAKER(RegistrationOrders, publish_text, relaxed);
SLUICE_WEAKER(RegistrationOrders, read_text, relaxed);
SLUICE_WEAKER(RegistrationOrders, publish_name, relaxed);
SLUICE_WEAKER(RegistrationOrders, read_name, relaxed);
SLUICE_WEAKER(RegistrationOrders, step_epoch, relaxed);
SLUICE_WEAKER(RegistrationOrders, look_at_epoch, relaxed);
struct StepAcquires : RegistrationOrders {
  static constexpr std::memory_order step_epoch = std::memory_order_acquire;
};
struct StepReleases : RegistrationOrders {
  static constexpr std::memory_order step_epoch = std::memory_order_release;
};
struct LookAcquires : RegistrationOrders {
  static constexpr std::memory_order look_at_epoch = std::memory_order_acquire;
};
struct LookReleases : RegistrationOrders {
  static constexpr std::memory_order look_at_epoch = std::memory_order_release;
};

TEST(Registration, EveryWeakerOrderIsCaught) {
  const auto change = Beside::kRegistration;
  const std::vector<Weakening> weakenings = {
      {"publish_text", walk_beside_registration<RegistrationOrders_publish_text>},
      {"read_text", walk_beside_registration<RegistrationOrders_read_text>},
      {"publish_name", walk_beside_a_name<RegistrationOrders_publish_name>},
      {"read_name", walk_beside_a_name<RegistrationOrders_read_name>},
      {"step_epoch", [=] { return change_levels<RegistrationOrders_step_epoch>(change); }},
      {"step_epoch", [=] { return change_levels<StepAcquires>(change); }},
      {"step_epoch", [=] { return change_levels<StepReleases>(change); }},
      {"look_at_epoch", [=] { return change_levels<RegistrationOrders_look_at_epoch>(change); }},
      {"look_at_epoch", [=] { return change_levels<LookAcquires>(change); }},
      {"look_at_epoch", [=] { return change_levels<LookReleases>(change); }},
  };
  expect_all_listed("src/region/registration.h", "RegistrationOrders", weakenings);
  expect_each_caught(weakenings);
}

SLUICE_WEAKER(SiteOrders, publish_id, relaxed);
SLUICE_WEAKER(SiteOrders, see_id, relaxed);
SLUICE_WEAKER(SiteOrders, know_id, relaxed);
SLUICE_WEAKER(SiteOrders, publish_control, relaxed);
SLUICE_WEAKER(SiteOrders, read_control, relaxed);

TEST(SiteWords, EveryWeakerOrderIsCaught) {
  const std::vector<Weakening> weakenings = {
      {"publish_id", [] { return two_first_calls<SiteOrders_publish_id>(); }},
      {"see_id", [] { return two_first_calls<SiteOrders_see_id>(); }},
      {"publish_control", [] { return two_first_calls<SiteOrders_publish_control>(); }},
      {"read_control", [] { return two_first_calls<SiteOrders_read_control>(); }},
      {"publish_id", [] { return two_calls_by_a_logger<SiteOrders_publish_id>(); }},
      {"see_id", [] { return two_calls_by_a_logger<SiteOrders_see_id>(); }},
      {"know_id", [] { return two_calls_by_a_logger<SiteOrders_know_id>(); }},
      {"publish_control", [] { return two_calls_by_a_logger<SiteOrders_publish_control>(); }},
      {"read_control", [] { return two_calls_by_a_logger<SiteOrders_read_control>(); }},
  };
  expect_all_listed("include/sluice/detail/call_site.h", "SiteOrders", weakenings);
  expect_each_caught(weakenings);
}

}  // namespace
}  // namespace sluice::explorer
