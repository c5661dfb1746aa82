// Builds sites and records for tests, byte by byte, without the code under test.
#ifndef SLUICE_TESTS_RECORD_MAKE_RECORD_H_
#define SLUICE_TESTS_RECORD_MAKE_RECORD_H_

#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "record/entry.h"
#include "record/format.h"
#include "record/site.h"

namespace sluice::test {

struct TestArgument {
  ArgType type;
  std::string name;
  u64 word = 0;
  std::string text;
};

inline TestArgument i32_arg(i64 value, std::string name = "") {
  return {ArgType::kI32, std::move(name), u64(value), ""};
}
inline TestArgument i64_arg(i64 value, std::string name = "") {
  return {ArgType::kI64, std::move(name), u64(value), ""};
}
inline TestArgument u64_arg(u64 value, std::string name = "") {
  return {ArgType::kU64, std::move(name), value, ""};
}
inline TestArgument f64_arg(double value, std::string name = "") {
  return {ArgType::kF64, std::move(name), std::bit_cast<u64>(value), ""};
}
inline TestArgument f32_arg(float value, std::string name = "") {
  return {ArgType::kF32, std::move(name), std::bit_cast<u32>(value), ""};
}
inline TestArgument bool_arg(bool value, std::string name = "") {
  return {ArgType::kBool, std::move(name), value, ""};
}
inline TestArgument text_arg(std::string value, std::string name = "") {
  return {ArgType::kString, std::move(name), 0, std::move(value)};
}
inline TestArgument json_arg(std::string value, std::string name = "") {
  return {ArgType::kJson, std::move(name), 0, std::move(value)};
}
inline TestArgument arg(ArgType type, u64 word, std::string name = "") {
  return {type, std::move(name), word, ""};
}

// A record with its site and all that an Entry borrows.
class TestRecord {
 public:
  Site site;
  std::vector<std::byte> bytes;
  RunInfo run;
  Dictionary sites;
  TickClock clock{0, 0, u64{1} << 32};
  std::string logger;
  std::string thread_name;
  u32 tid = 42;
  u64 sequence = 7;
  i64 wall_ns = 1'700'000'000'123'456'789;  // 2023-11-14T22:13:20.123456789Z
  bool with_clock = true;

  explicit TestRecord(std::string format, const std::vector<TestArgument>& arguments = {},
                      RecordKind kind = RecordKind::kLog, u8 flags = 0) {
    site.id = kSiteFirstCaller;
    site.kind = kind;
    site.flags = flags;
    site.file = "src/game/game.cc";
    site.line = 42;
    site.function = "tick";
    site.format = std::move(format);
    for (const TestArgument& a : arguments) site.arguments.push_back({a.type, a.name});
    fill(site, arguments);
  }
  TestRecord(const Site& builtin, const std::vector<TestArgument>& arguments) : use_(&builtin) {
    fill(builtin, arguments);
  }

  void add_context(ByteView fields) {
    const std::size_t size = bytes.size() + round_up(fields.size(), 8) + 8;
    bytes.insert(bytes.end(), fields.begin(), fields.end());
    bytes.resize(size - 8);
    const u32 ends[] = {u32(fields.size()), u32(round_up(fields.size(), 8) + 8)};
    bytes.insert(bytes.end(), reinterpret_cast<const std::byte*>(ends),
                 reinterpret_cast<const std::byte*>(ends) + 8);
    set_header(kHasContext);
  }
  void set_header(u16 flags) {
    auto header = load<RecordHeader>(bytes.data());
    header.origin = u16(header.origin | flags);
    header.size_in_words = u16(bytes.size() / 8);
    store(bytes.data(), header);
  }

  [[nodiscard]] const Site& the_site() const { return use_ != nullptr ? *use_ : site; }
  [[nodiscard]] bool parse() { return RecordView::parse(bytes, the_site(), view); }
  // parse() must have been true.
  [[nodiscard]] Entry entry() {
    return {.record = view,
            .site = the_site(),
            .sequence = sequence,
            .wall_ns = wall_ns,
            .thread = {tid, thread_name},
            .logger = logger.empty() ? std::string_view(the_site().logger) : logger,
            .run = &run,
            .sites = &sites,
            .clock = with_clock ? &clock : nullptr};
  }

  RecordView view;

 private:
  void fill(const Site& of, const std::vector<TestArgument>& arguments) {
    bytes.resize(kRecordHeaderBytes);
    std::string tail;
    for (const TestArgument& a : arguments) {
      const u64 word = has_tail(a.type) ? a.text.size() : a.word;
      const auto at = bytes.size();
      bytes.resize(at + 8);
      store(bytes.data() + at, word);
      if (has_tail(a.type)) tail += a.text;
    }
    const auto at = bytes.size();
    bytes.resize(at + round_up(tail.size(), 8));
    if (!tail.empty()) std::memcpy(bytes.data() + at, tail.data(), tail.size());
    store(bytes.data(), RecordHeader{u16(bytes.size() / 8), 0, of.id, 1000});
  }

  const Site* use_ = nullptr;
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_RECORD_MAKE_RECORD_H_
