// The worked example of docs/formats/segment.md is what the writer really writes.
#include <gtest/gtest.h>

#include "segment_fixture.h"
#include "support/read_file.h"

namespace sluice::testing {
namespace {

std::string hex_dump(const Bytes& bytes) {
  std::string out;
  char text[32];
  for (std::size_t line = 0; line < bytes.size(); line += 16) {
    std::snprintf(text, sizeof text, "%04zx ", line);
    out += text;
    for (std::size_t i = line; i < line + 16; ++i) {
      std::snprintf(text, sizeof text, " %02x", unsigned(bytes[i]));
      out += text;
    }
    out += "  ";
    for (std::size_t i = line; i < line + 16; ++i) {
      const char c = char(bytes[i]);
      out += c >= ' ' && c <= '~' ? c : '.';
    }
    out += '\n';
  }
  return out;
}

// The document's ```hex block.
std::string documented() {
  const std::string document = test::read_file(SLUICE_SOURCE_DIR "/docs/formats/segment.md");
  const std::string opening = "```hex\n";
  const auto begin = document.find(opening);
  if (begin == std::string::npos) return "(no hex block)";
  const auto end = document.find("```", begin + opening.size());
  return document.substr(begin + opening.size(), end - begin - opening.size());
}

TEST(SegmentDocument, ShowsWhatTheWriterWrites) {
  MemoryIo disk;
  disk.make_directory("/d");
  RunDefinition run;
  for (u8 i = 0; i < run.region_id.size(); ++i) run.region_id[i] = u8(0x10 + i);
  run.product = "demo";
  run.version = "1.0";
  run.run_id = "r1";
  run.host = "box";
  run.pid = 42;
  run.start_wall_ns = 1'700'000'000'000'000'000;
  Site site;
  site.id = 16;
  site.line = 12;
  site.level = Level::info;
  site.file = "a.cc";
  site.function = "main";
  site.format = "n={}";
  site.arguments = {{ArgType::kU64, ""}};
  auto writer = SegmentWriter::open(
      {.directory = "/d", .name = "demo", .segment_id = 0x0123456789abcdef, .io = &disk}, run);
  ASSERT_TRUE(writer.ok());
  writer.value()->define_clock(test_clock());
  writer.value()->define_thread({2, 1, 4711, "main"});
  std::byte record[24];
  store(record, RecordHeader{sizeof record / 8, 2, 16, 1200});
  store(record + kRecordHeaderBytes, u64{99});
  ASSERT_TRUE(writer.value()->append(5, record, &site).ok());
  ASSERT_TRUE(writer.value()->seal().ok());
  const std::string actual = hex_dump(disk.bytes("/d/demo-000001.seg"));
  EXPECT_EQ(documented(), actual) << "put this into docs/formats/segment.md:\n" << actual;
}

}  // namespace
}  // namespace sluice::testing
