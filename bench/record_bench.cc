// Question: what does it cost to turn one record into a line, from bytes to escaped text?
//
// Each figure is one thread over 4,096 records (a private copy of a journal batch in spirit) into a
// 256 KiB buffer that is emptied when full and goes nowhere; decode and escape scan included. Warm,
// 15 rounds per shape, best and median shown: the machine is shared, the best is what the code
// costs.
//
//   record_bench
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "record/entry.h"
#include "record/json_lines.h"
#include "record/logfmt.h"
#include "record/text_pattern.h"

namespace sluice {
namespace {

constexpr std::size_t kRecords = 4096;
constexpr int kRounds = 15;
constexpr int kPasses = 60;
constexpr std::string_view kPattern = "%(time) [%(thread_id)] %(source) %(level) %(message)";

struct Shape {
  const char* name;
  Site site;
  std::vector<std::vector<std::byte>> records;
};

void append_word(std::vector<std::byte>& record, u64 word) {
  record.resize(record.size() + 8);
  store(record.data() + record.size() - 8, word);
}

std::vector<std::byte> record_of(u64 i, u64 j, u64 third, std::string_view tail) {
  std::vector<std::byte> record(kRecordHeaderBytes);
  append_word(record, i);
  append_word(record, j);
  append_word(record, third);
  const auto at = record.size();
  record.resize(at + round_up(tail.size(), 8));
  if (!tail.empty()) std::memcpy(record.data() + at, tail.data(), tail.size());
  store(record.data(), RecordHeader{u16(record.size() / 8), 0, kSiteFirstCaller, i});
  return record;
}

Shape shape(const char* name, const char* format, ArgType third) {
  Shape made{name, {}, {}};
  made.site.id = kSiteFirstCaller;
  made.site.file = "/src/bench/record_bench.cc";
  made.site.line = 140;
  made.site.format = format;
  made.site.arguments = {{ArgType::kI32, ""}, {ArgType::kI32, ""}, {third, ""}};
  return made;
}

std::vector<Shape> shapes() {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> real(0, 1000);
  constexpr const char* kFormat = "Logging int: {}, int: {}, double: {}";
  std::vector<Shape> all;
  all.push_back(shape("short doubles", kFormat, ArgType::kF64));
  all.push_back(shape("17-digit doubles", kFormat, ArgType::kF64));
  all.push_back(shape("16-byte string", "Logging int: {}, int: {}, string: {}", ArgType::kString));
  all.push_back(shape("specification", "Logging int: {}, int: {}, double: {:.3f}", ArgType::kF64));
  for (u64 i = 0; i < kRecords; ++i) {
    const u64 j = random() % 1000000;
    const double short_double = double(random() % 100000) / 100;
    const double long_double = real(random);
    all[0].records.push_back(record_of(i, j, std::bit_cast<u64>(short_double), ""));
    all[1].records.push_back(record_of(i, j, std::bit_cast<u64>(long_double), ""));
    all[2].records.push_back(record_of(i, j, 16, "a string of 16 b"));
    all[3].records.push_back(record_of(i, j, std::bit_cast<u64>(long_double), ""));
  }
  return all;
}

template <class Renderer>
void measure(const char* form, Renderer& renderer, const Shape& shape) {
  const auto memory = std::make_unique<char[]>(256 * 1024);
  TextBuffer buffer({memory.get(), 256 * 1024});
  std::vector<double> ns;
  std::size_t bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    i64 wall_ns = 1'700'000'000'000'000'000;
    for (int pass = 0; pass < kPasses; ++pass) {
      for (const auto& record : shape.records) {
        RecordView view;
        if (!RecordView::parse(record, shape.site, view)) std::abort();
        wall_ns += 1003;
        const Entry entry{
            .record = view, .site = shape.site, .wall_ns = wall_ns, .thread = {1234567, "main"}};
        if (!renderer.append(entry, buffer)) {
          bytes += buffer.text().size();
          buffer.clear();
          (void)renderer.append(entry, buffer);
        }
      }
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    ns.push_back(took.count() / double(kPasses * kRecords));
  }
  std::sort(ns.begin(), ns.end());
  std::printf("%-8s %-18s best %6.1f ns  median %6.1f ns  %5.1f bytes a line\n", form, shape.name,
              ns.front(), ns[ns.size() / 2],
              double(bytes) / (double(kPasses) * kRecords * kRounds));
}

}  // namespace
}  // namespace sluice

int main() {
  auto pattern = sluice::TextPattern::compile(sluice::kPattern);
  if (!pattern.ok()) return 1;
  sluice::JsonLines json;
  sluice::Logfmt logfmt;
  const auto all = sluice::shapes();
  for (const sluice::Shape& shape : all) sluice::measure("text", pattern.value(), shape);
  for (const sluice::Shape& shape : all) sluice::measure("json", json, shape);
  for (const sluice::Shape& shape : all) sluice::measure("logfmt", logfmt, shape);
}
