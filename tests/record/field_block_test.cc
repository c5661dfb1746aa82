#include "record/field_block.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "record/decode.h"
#include "record/make_record.h"

namespace sluice {
namespace {

TEST(FieldBlock, ThereAndBack) {
  std::byte memory[256];
  FieldBlockWriter writer(memory);
  ASSERT_TRUE(writer.add_text("user", "ada"));
  ASSERT_TRUE(writer.add("n", {ArgType::kI64, u64(-3), {}}));
  ASSERT_TRUE(writer.add("", {ArgType::kJson, 0, "{}"}));
  EXPECT_EQ(writer.fields(), 3u);
  FieldBlock block;
  ASSERT_TRUE(FieldBlock::parse(writer.bytes(), block));
  std::vector<ContextField> fields;
  for (const ContextField& field : block) fields.push_back(field);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "user");
  EXPECT_EQ(fields[0].value.text, "ada");
  EXPECT_EQ(i64(fields[1].value.word), -3);
  EXPECT_EQ(fields[2].value.type, ArgType::kJson);
}

TEST(FieldBlock, WriterRefusesWithoutATrace) {
  std::byte memory[32];
  FieldBlockWriter writer(memory);
  ASSERT_TRUE(writer.add_text("a", "12345678"));  // 13 bytes
  const std::vector<std::byte> before(writer.bytes().begin(), writer.bytes().end());
  EXPECT_FALSE(writer.add_text("b", "a text that does not fit"));
  EXPECT_FALSE(writer.add_text(std::string(256, 'n'), ""));
  EXPECT_EQ(std::vector<std::byte>(writer.bytes().begin(), writer.bytes().end()), before);
  EXPECT_TRUE(writer.add_text("b", "it fits, just"));
  EXPECT_FALSE(writer.add_text("", ""));

  std::vector<std::byte> large(100'000);
  FieldBlockWriter roomy(large);
  EXPECT_FALSE(roomy.add_text("k", std::string(65'536, 'x')));
  EXPECT_TRUE(roomy.add_text("k", std::string(65'535, 'x')));
  for (u32 i = 1; i < FieldBlock::kFieldsMax; ++i) ASSERT_TRUE(roomy.add_text("k", ""));
  EXPECT_FALSE(roomy.add_text("k", ""));
}

TEST(FieldBlock, CutTakesFieldsOffTheEnd) {
  std::byte memory[64];
  FieldBlockWriter writer(memory);
  ASSERT_TRUE(writer.add_text("outer", "1"));
  const auto mark = writer.bytes().size();
  ASSERT_TRUE(writer.add_text("inner", "2"));
  writer.cut(mark, 1);
  EXPECT_EQ(writer.bytes().size(), mark);
  EXPECT_EQ(writer.fields(), 1u);
}

TEST(FieldBlock, ParseRefusesWhatIsNoWholeField) {
  std::byte memory[128];
  FieldBlockWriter writer(memory);
  ASSERT_TRUE(writer.add_text("key", "value"));
  ASSERT_TRUE(writer.add("n", {ArgType::kU64, 1, {}}));
  FieldBlock block;
  for (std::size_t size = 1; size < writer.bytes().size(); ++size) {
    const bool whole_first = size == 12;
    EXPECT_EQ(FieldBlock::parse(writer.bytes().first(size), block), whole_first) << size;
  }
  memory[0] = std::byte{0};
  EXPECT_FALSE(FieldBlock::parse(writer.bytes(), block)) << "no such type";
  memory[0] = std::byte{15};
  EXPECT_FALSE(FieldBlock::parse(writer.bytes(), block)) << "no such type";
  memory[0] = std::byte(ArgType::kI64);
  EXPECT_FALSE(FieldBlock::parse(writer.bytes(), block)) << "a word of five bytes";
  std::vector<std::byte> many;
  for (u32 i = 0; i <= FieldBlock::kFieldsMax; ++i) {
    many.insert(many.end(),
                {std::byte(ArgType::kString), std::byte{0}, std::byte{0}, std::byte{0}});
  }
  EXPECT_FALSE(FieldBlock::parse(many, block)) << "one field too many";
  EXPECT_TRUE(FieldBlock::parse(ByteView(many).subspan(4), block));
}

TEST(AppendContext, MakesARecordThatParses) {
  std::byte memory[64];
  FieldBlockWriter writer(memory);
  ASSERT_TRUE(writer.add_text("k", "v"));
  test::TestRecord record("", {test::i64_arg(1)});
  const u32 size = u32(record.bytes.size());
  record.bytes.resize(size + context_block_bytes(u32(writer.bytes().size())));
  EXPECT_EQ(append_context(std::span(record.bytes).first(size + 8), size, writer.bytes()), 0u);
  EXPECT_EQ(append_context(record.bytes, size, writer.bytes()), record.bytes.size());
  ASSERT_TRUE(record.parse());
  EXPECT_EQ((*record.view.context().begin()).value.text, "v");
  const u32 grown = u32(record.bytes.size());
  record.bytes.resize(200);
  EXPECT_EQ(append_context(record.bytes, grown, writer.bytes()), 0u) << "one block only";
}

TEST(AppendContext, RefusesToOverflowTheSizeWord) {
  std::vector<std::byte> record(0xffff * 8 + 64);
  store(record.data(), RecordHeader{0xffff, 0, 16, 0});
  EXPECT_EQ(append_context(record, 0xffff * 8, {}), 0u);
}

}  // namespace
}  // namespace sluice
