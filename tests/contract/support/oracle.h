// An oracle outside the program: what callers were told, against what the files hold.
//
// Writers number the records whose calls returned kOk, from 0, and keep their numbers in a page
// shared with the process that judges (Ledger). A record carries its writer, its number and a
// payload made from both, so a reader of a file knows each record alone. After a kill the files
// must hold, for each writer: every number below the count of acknowledged ones, once, in order,
// and at most one more, whose call was under way.
//
// Threading: each writer owns its row of the Ledger; the judge reads it when the writers are dead
// or quiet. Failure: judge() says every violation in words.
#ifndef SLUICE_TESTS_CONTRACT_SUPPORT_ORACLE_H_
#define SLUICE_TESTS_CONTRACT_SUPPORT_ORACLE_H_

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "os/io.h"
#include "record/decode.h"
#include "segment/directory.h"
#include "segment/reader.h"
#include "sluice/sluice.h"
#include "support/read_file.h"

namespace sluice::testing {

inline constexpr std::uint32_t kWritersMax = 64;

// relaxed everywhere: the judge looks when the writers have stopped; a SIGKILL keeps every store
// that was made.
struct alignas(64) LedgerRow {
  std::atomic<std::uint64_t> begun;    // calls entered
  std::atomic<std::uint64_t> kept;     // returned kOk; also the number of the next record
  std::atomic<std::uint64_t> dropped;  // returned anything else
  std::atomic<std::uint64_t> flushed;  // numbers below were acknowledged by flush()
};

struct Ledger {
  LedgerRow row[kWritersMax];
  std::atomic<std::uint32_t> word[16];  // free for the test
};

// A Ledger in memory that forked children share. Freed when it goes.
class SharedLedger {
 public:
  SharedLedger()
      : ledger_(static_cast<Ledger*>(::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedLedger() { ::munmap(ledger_, sizeof(Ledger)); }
  SharedLedger(const SharedLedger&) = delete;
  SharedLedger& operator=(const SharedLedger&) = delete;
  Ledger& operator*() const { return *ledger_; }
  Ledger* operator->() const { return ledger_; }
  void clear() { std::memset(static_cast<void*>(ledger_), 0, sizeof(Ledger)); }

 private:
  Ledger* ledger_;
};

// What a record of `writer` with `number` carries besides the two: 0 to 199 letters that only they
// give. Async-signal-safe; the view is into `to`.
inline constexpr std::size_t kPayloadMax = 200;
inline std::string_view payload_of(std::uint64_t writer, std::uint64_t number, char* to) {
  const std::uint64_t seed = (number * 2654435761u + writer * 40503u) ^ (number >> 7);
  const std::size_t size = seed % kPayloadMax;
  for (std::size_t i = 0; i < size; ++i) to[i] = char('a' + (seed + i * (writer + 3)) % 26);
  return {to, size};
}

// Enters a call in the books and leaves it with what the caller was told.
class BookedCall {
 public:
  explicit BookedCall(LedgerRow& row) : row_(row), number_(row.kept.load(kRelaxed)) {
    row.begun.store(row.begun.load(kRelaxed) + 1, kRelaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  Admission end(Admission told) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    auto& count = told == Admission::kOk ? row_.kept : row_.dropped;
    count.store(count.load(kRelaxed) + 1, kRelaxed);
    return told;
  }

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  LedgerRow& row_;
  std::uint64_t number_;
};

// Write one numbered record and keep the books: a record, the same as a warning (which may use a
// ring's reserve), the same by a name known at run time.
inline Admission write_record(LedgerRow& row, std::uint64_t writer) {
  BookedCall booked(row);
  char text[kPayloadMax];
  return booked.end(
      info("@ {w} {n} {p};", writer, booked.number(), payload_of(writer, booked.number(), text)));
}
inline Admission write_warning(LedgerRow& row, std::uint64_t writer) {
  BookedCall booked(row);
  char text[kPayloadMax];
  return booked.end(warning("@ {w} {n} {p};", writer, booked.number(),
                            payload_of(writer, booked.number(), text)));
}
inline Admission write_text(LedgerRow& row, std::uint64_t writer, std::string_view logger) {
  BookedCall booked(row);
  char payload[kPayloadMax];
  char line[kPayloadMax + 64];
  const std::string_view tail = payload_of(writer, booked.number(), payload);
  const int size = std::snprintf(
      line, sizeof line, "@ %llu %llu %.*s;", static_cast<unsigned long long>(writer),
      static_cast<unsigned long long>(booked.number()), int(tail.size()), tail.data());
  return booked.end(log_text(Level::info, logger, {line, std::size_t(size)}));
}

// What is in a destination.
struct Found {
  std::map<std::uint64_t, std::vector<std::uint64_t>> numbers;  // by writer, in file order
  std::uint64_t records = 0;                                    // of ours
  std::uint64_t engine = 0;                                     // drop reports and the like
  std::vector<std::string> broken;                              // neither: torn, mixed, damaged

  void add(std::string_view message) {
    unsigned long long writer = 0, number = 0;
    int used = 0;
    std::string text(message);
    // A text line has the record's context behind it.
    const std::size_t context = text.find("; block=");
    const std::string block = context == text.npos ? "" : text.substr(context + 8);
    if (context != text.npos) text.resize(context + 1);
    char expected[kPayloadMax];
    if (std::sscanf(text.c_str(), "@ %llu %llu %n", &writer, &number, &used) == 2 && used > 0 &&
        text.substr(std::size_t(used)) == std::string(payload_of(writer, number, expected)) + ";" &&
        (block.empty() || block == std::to_string(number / 10))) {
      numbers[writer].push_back(number);
      ++records;
    } else if (text.starts_with("dropped ") || text.starts_with("sluice missed ")) {
      ++engine;
    } else {
      broken.push_back(text.substr(0, 300));
    }
  }
  void add(const Found& more) {
    for (const auto& [writer, list] : more.numbers) {
      auto& mine = numbers[writer];
      mine.insert(mine.end(), list.begin(), list.end());
    }
    records += more.records;
    engine += more.engine;
    broken.insert(broken.end(), more.broken.begin(), more.broken.end());
  }
};

// Calls each(line) for every whole line; a last one without its newline is broken.
template <class Each>
void for_each_line(const std::string& path, Found& found, Each&& each) {
  const std::string bytes = test::read_file(path);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string::npos) {
      found.broken.push_back("no newline: " + bytes.substr(at, 300));
      return;
    }
    each(std::string_view(bytes).substr(at, end - at));
    at = end + 1;
  }
}

// For a text sink with the pattern "%(message)".
inline Found read_text(const std::string& path) {
  Found found;
  for_each_line(path, found, [&](std::string_view line) { found.add(line); });
  return found;
}

// `context`: every record of ours carries the context field "block", its number / 10 when its call
// returned kOk; see ContextWriter.
inline Found read_json(const std::string& path, bool context = false) {
  Found found;
  for_each_line(path, found, [&](std::string_view line) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.contains("msg")) {
      found.broken.push_back(std::string(line.substr(0, 300)));
      return;
    }
    const std::string message = json["msg"];
    const std::uint64_t before = found.records;
    found.add(message);
    if (!context || found.records == before) return;
    const std::uint64_t number = std::stoull(message.substr(message.find(' ', 2)));
    const auto block = json.find("context");
    if (block == json.end() || block->value("block", ~std::uint64_t{0}) != number / 10) {
      found.broken.push_back("wrong context: " + std::string(line.substr(0, 300)));
    }
  });
  return found;
}

inline Found read_segments(const std::string& directory) {
  Found found;
  os::Io& io = os::real_io();
  const auto names = list_segments(io, directory);
  if (!names.ok()) return found;
  for (const SegmentName& name : names.value()) {
    const std::string path = directory + "/" + segment_file_name(name.name, name.number);
    auto reader = SegmentReader::open(io, path);
    if (!reader.ok()) {
      found.broken.push_back(path + " cannot be read");
      continue;
    }
    SegmentRecord record;
    while (reader.value()->next(record)) {
      if (record.header.site < kSiteFirstCaller) {
        ++found.engine;
        continue;
      }
      RecordView view;
      if (!record.site || !RecordView::parse(record.bytes, *record.site, view) ||
          view.arguments() - view.first_visible() != 3) {
        found.broken.push_back(path + ": a record that does not fit its site");
        continue;
      }
      const u32 first = view.first_visible();
      found.add("@ " + std::to_string(view.word(first)) + " " +
                std::to_string(view.word(first + 1)) + " " + std::string(view.text(first + 2)) +
                ";");
    }
    if (reader.value()->damaged_ranges() > 0) found.broken.push_back(path + " is damaged");
  }
  return found;
}

struct Expectation {
  // What must be there: numbers acknowledged by flush() instead of by the call.
  bool only_flushed = false;
};

// Every violation, as a sentence. No more than a few of each kind.
inline std::vector<std::string> judge(const Ledger& ledger, const Found& found,
                                      Expectation want = {}) {
  std::vector<std::string> wrong;
  const auto say = [&wrong](const std::string& what) {
    if (wrong.size() < 20) wrong.push_back(what);
  };
  for (const std::string& line : found.broken) say("broken: " + line);
  for (const auto& [writer, numbers] : found.numbers) {
    if (writer >= kWritersMax) say("writer " + std::to_string(writer) + " does not exist");
  }
  for (std::uint64_t writer = 0; writer < kWritersMax; ++writer) {
    const LedgerRow& row = ledger.row[writer];
    const std::uint64_t kept = row.kept.load(std::memory_order_relaxed);
    const std::uint64_t begun = row.begun.load(std::memory_order_relaxed);
    const std::uint64_t told = kept + row.dropped.load(std::memory_order_relaxed);
    const std::uint64_t must =
        want.only_flushed ? row.flushed.load(std::memory_order_relaxed) : kept;
    const auto list = found.numbers.find(writer);
    const std::string who = "writer " + std::to_string(writer);
    std::uint64_t next = 0;
    if (list != found.numbers.end()) {
      for (const std::uint64_t number : list->second) {
        if (number < next) say(who + ": " + std::to_string(number) + " again or out of order");
        if (number > next) {
          say(who + ": lost " + std::to_string(next) + " to " + std::to_string(number - 1));
        }
        next = number + 1;
      }
    }
    if (next < must) {
      say(who + ": lost " + std::to_string(next) + " to " + std::to_string(must - 1) + ", the end");
    }
    if (next > kept + (begun - told)) {
      say(who + ": " + std::to_string(next) + " records of " + std::to_string(kept) + " kept and " +
          std::to_string(begun - told) + " under way");
    }
  }
  return wrong;
}

// Conservation after a kill: what the region counted as merged and dropped against the callers'
// books; calls under way may be in neither or in one.
inline std::vector<std::string> judge_accounts(const Ledger& ledger, std::uint64_t merged,
                                               std::uint64_t dropped) {
  std::uint64_t kept = 0, refused = 0, under_way = 0;
  for (const LedgerRow& row : ledger.row) {
    kept += row.kept.load(std::memory_order_relaxed);
    refused += row.dropped.load(std::memory_order_relaxed);
    under_way += row.begun.load(std::memory_order_relaxed);
  }
  under_way -= kept + refused;
  std::vector<std::string> wrong;
  const std::string books = "kept " + std::to_string(kept) + ", dropped " +
                            std::to_string(refused) + ", under way " + std::to_string(under_way);
  if (merged < kept || merged > kept + under_way) {
    wrong.push_back("merged " + std::to_string(merged) + " of: " + books);
  }
  if (dropped < refused || dropped > refused + under_way ||
      merged + dropped > kept + refused + under_way) {
    wrong.push_back("counted " + std::to_string(dropped) + " drops and " + std::to_string(merged) +
                    " merged of: " + books);
  }
  return wrong;
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CONTRACT_SUPPORT_ORACLE_H_
