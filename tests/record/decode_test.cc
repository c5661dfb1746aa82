#include "record/decode.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "record/make_record.h"

namespace sluice {
namespace {

using test::TestRecord;

TEST(Decode, ReadsEveryType) {
  TestRecord record("", {test::i64_arg(-5), test::text_arg("ada", "name"), test::f64_arg(0.5),
                         test::json_arg("{}"), test::bool_arg(true)});
  ASSERT_TRUE(record.parse());
  const RecordView& view = record.view;
  EXPECT_EQ(view.arguments(), 5u);
  EXPECT_EQ(view.first_visible(), 0u);
  EXPECT_EQ(i64(view.word(0)), -5);
  EXPECT_EQ(view.text(1), "ada");
  EXPECT_EQ(view.text(3), "{}");
  EXPECT_EQ(view.value(3).text, "{}");
  EXPECT_EQ(view.value(4).word, 1u);
  EXPECT_TRUE(view.context().empty());
  EXPECT_EQ(view.bytes().size(), record.bytes.size());
  EXPECT_EQ(view.header().ticks, 1000u);
}

TEST(Decode, HiddenArguments) {
  TestRecord record("ignored",
                    {test::arg(ArgType::kU32, 9), test::text_arg("login"), test::i64_arg(1, "n")},
                    RecordKind::kEvent, SiteFlag::kLoggerIsFirstArg | SiteFlag::kNameIsFirstArg);
  ASSERT_TRUE(record.parse());
  EXPECT_EQ(record.view.logger_id(), 9u);
  EXPECT_EQ(record.view.name(), "login");
  EXPECT_EQ(record.view.first_visible(), 2u);
  TestRecord plain("name of the site");
  ASSERT_TRUE(plain.parse());
  EXPECT_EQ(plain.view.logger_id(), 0u);
  EXPECT_EQ(plain.view.name(), "name of the site");
}

TEST(Decode, Context) {
  std::byte memory[128];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab12"));
  TestRecord record("", {test::text_arg("x")});
  record.add_context(fields.bytes());
  ASSERT_TRUE(record.parse());
  EXPECT_EQ(record.view.text(0), "x");
  ASSERT_FALSE(record.view.context().empty());
  EXPECT_EQ((*record.view.context().begin()).name, "trace");
}

TEST(Decode, RefusesWhatDoesNotAddUp) {
  const TestRecord good("", {test::text_arg("four"), test::text_arg("more")});
  const auto parses = [](const std::vector<std::byte>& bytes, const Site& site) {
    RecordView view;
    return RecordView::parse(bytes, site, view);
  };
  ASSERT_TRUE(parses(good.bytes, good.site));
  auto bad = good.bytes;
  store(bad.data(), u16{1});
  EXPECT_FALSE(parses(bad, good.site)) << "smaller than a header";
  bad = good.bytes;
  store(bad.data(), u16(bad.size() / 8 + 1));
  EXPECT_FALSE(parses(bad, good.site)) << "larger than what is there";
  bad = good.bytes;
  store(bad.data() + 16, u64{9});
  EXPECT_FALSE(parses(bad, good.site)) << "texts longer than the record";
  bad = good.bytes;
  store(bad.data() + 16, ~u64{0});
  store(bad.data() + 24, u64{9});
  EXPECT_FALSE(parses(bad, good.site)) << "lengths whose sum wraps around";
  Site more = good.site;
  more.arguments.resize(30);
  EXPECT_FALSE(parses(good.bytes, more)) << "no room for the words";
  more.arguments.resize(33);
  EXPECT_FALSE(parses(std::vector<std::byte>(1024), more)) << "more than a site may have";
  EXPECT_FALSE(parses({}, good.site));
}

TEST(Decode, RefusesBrokenContext) {
  TestRecord record("", {test::i64_arg(1)});
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("k", "v"));
  record.add_context(fields.bytes());
  ASSERT_TRUE(record.parse());
  const auto whole = record.bytes;
  const auto end = whole.size();
  for (const u32 block : {0u, 4u, 8u, 12u, 24u, 1u << 31, ~0u}) {
    record.bytes = whole;
    store(record.bytes.data() + end - 4, block);
    EXPECT_FALSE(record.parse()) << block;
  }
  for (const u32 fields_bytes : {0u, 5u, 7u, 9u, ~0u}) {
    record.bytes = whole;
    store(record.bytes.data() + end - 8, fields_bytes);
    EXPECT_FALSE(record.parse()) << fields_bytes;
  }
  TestRecord none("", {});
  none.set_header(kHasContext);
  EXPECT_FALSE(none.parse()) << "the flag without a block";
}

// Random bytes in a buffer of exactly their size: under ASan any read outside is an error, and what
// parses must give only views into the buffer.
TEST(Decode, NeverLeavesItsBytes) {
  std::mt19937_64 random(17);
  int parsed = 0;
  for (int round = 0; round < 100'000; ++round) {
    const auto size = random() % 12 * 8 + random() % 2;
    const auto bytes = std::make_unique<std::byte[]>(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(random() % 4 == 0 ? random() : 0);
    if (size >= 4) {
      store(bytes.get(), u16(size / 8));
      store(bytes.get() + 2, u16(random() % 2 ? kHasContext : 0));
    }
    Site site;
    for (auto n = random() % 4; n > 0; --n) {
      site.arguments.push_back({ArgType(1 + random() % 14), ""});
    }
    RecordView view;
    const ByteView all{bytes.get(), size};
    if (!RecordView::parse(all, site, view)) continue;
    ++parsed;
    const char* const begin = as_text(all).data();
    for (u32 i = 0; i < view.arguments(); ++i) {
      const Value value = view.value(i);
      if (value.text.empty()) continue;
      ASSERT_GE(value.text.data(), begin);
      ASSERT_LE(value.text.data() + value.text.size(), begin + size);
    }
    for (const ContextField& field : view.context()) {
      ASSERT_LE(field.name.data() + field.name.size(), begin + size);
    }
  }
  EXPECT_GT(parsed, 1000);
}

TEST(RecordRun, WalksAndStops) {
  const TestRecord a("", {test::i64_arg(1)}), b("", {test::text_arg("text")});
  std::vector<std::byte> run = a.bytes;
  run.insert(run.end(), b.bytes.begin(), b.bytes.end());
  RecordRun whole(run);
  ByteView record;
  ASSERT_TRUE(whole.next(record));
  EXPECT_EQ(record.size(), a.bytes.size());
  ASSERT_TRUE(whole.next(record));
  EXPECT_EQ(record.size(), b.bytes.size());
  EXPECT_FALSE(whole.next(record));
  EXPECT_FALSE(whole.broken());

  RecordRun cut(ByteView(run).first(run.size() - 8));
  ASSERT_TRUE(cut.next(record));
  EXPECT_FALSE(cut.next(record));
  EXPECT_TRUE(cut.broken());
  EXPECT_EQ(cut.rest().size(), b.bytes.size() - 8);
  EXPECT_FALSE(cut.next(record)) << "and stays there";

  run.resize(run.size() + 24);  // padding: site 0
  RecordRun padded(run);
  EXPECT_TRUE(padded.next(record));
  EXPECT_TRUE(padded.next(record));
  EXPECT_FALSE(padded.next(record));
  EXPECT_FALSE(padded.broken());

  store(run.data(), u16{0});
  RecordRun zero(run);
  EXPECT_FALSE(zero.next(record)) << "a size of 0 would never end";
  EXPECT_TRUE(zero.broken());
}

// What a definition's flags promise must be there, or the definition is refused.
TEST(Decode, FlagsOfArgumentsThatAreMissing) {
  using namespace test;
  const auto decodes = [](u8 flags, std::vector<TestArgument> arguments) {
    const TestRecord record("{}", arguments, RecordKind::kLog, flags);
    return decode_site(encode_site(record.site)).ok();
  };
  EXPECT_TRUE(decodes(SiteFlag::kFieldsAreLastArg, {text_arg("m"), json_arg("{}")}));
  EXPECT_FALSE(decodes(SiteFlag::kFieldsAreLastArg, {}));
  EXPECT_FALSE(decodes(SiteFlag::kFieldsAreLastArg, {json_arg("{}"), text_arg("m")}));
  EXPECT_FALSE(
      decodes(SiteFlag::kLoggerIsFirstArg | SiteFlag::kFieldsAreLastArg, {arg(ArgType::kU32, 1)}));
  EXPECT_TRUE(decodes(SiteFlag::kUnitIsNextArg, {text_arg("ms")}));
  EXPECT_FALSE(decodes(SiteFlag::kUnitIsNextArg, {i32_arg(1)}));
  EXPECT_FALSE(decodes(SiteFlag::kNameIsFirstArg | SiteFlag::kUnitIsNextArg, {text_arg("n")}));
}

}  // namespace
}  // namespace sluice
