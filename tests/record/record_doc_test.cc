// docs/formats/record.md shows what the code does: its generated parts are made here and compared.
// With SLUICE_REGENERATE=1 in the environment they are written instead.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "record/render.h"
#include "support/read_file.h"

namespace sluice {
namespace {

using namespace test;

const std::string kPath = SLUICE_SOURCE_DIR "/docs/formats/record.md";

std::string generated_part(const std::string& document, std::string_view name,
                           const std::string* replacement, std::string* replaced) {
  const std::string begin = fmt::format("<!-- generated: {} -->\n", name);
  const auto from = document.find(begin);
  const auto to = document.find("<!-- end -->", from);
  if (from == std::string::npos || to == std::string::npos) return "marker is missing";
  const auto start = from + begin.size();
  if (replacement != nullptr) {
    *replaced = document.substr(0, start) + *replacement + document.substr(to);
  }
  return document.substr(start, to - start);
}

void compare_or_write(std::string_view name, const std::string& expected) {
  const std::string document = read_file(kPath);
  std::string replaced;
  const std::string found = generated_part(document, name, &expected, &replaced);
  if (std::getenv("SLUICE_REGENERATE") != nullptr) {
    std::ofstream(kPath) << replaced;
    return;
  }
  EXPECT_EQ(found, expected) << kPath << " is out of date; run this with SLUICE_REGENERATE=1";
}

TEST(RecordDoc, BuiltInSites) {
  std::string table = "\n| id | name | level | arguments |\n|---|---|---|---|\n";
  for (u32 id = 1; id < kSiteFirstCaller; ++id) {
    const Site& site = builtin_site(id);
    if (id != kSiteUnknown && site.format == builtin_site(kSiteUnknown).format) continue;
    std::string arguments;
    for (const Argument& argument : site.arguments) {
      arguments += fmt::format("{}{} {}", arguments.empty() ? "" : ", ", type_name(argument.type),
                               argument.name);
    }
    table += fmt::format("| {} | {} | {} | {} |\n", id, site.format, level_name(site.level),
                         arguments.empty() ? "none" : arguments);
  }
  compare_or_write("built-in sites", table + "\n");
}

// Cuts bytes into rows of an annotated dump.
class Dump {
 public:
  explicit Dump(ByteView bytes) : bytes_(bytes) {}
  void row(std::size_t size, std::string_view meaning) {
    std::string hex;
    for (std::size_t i = 0; i < size; ++i) {
      if (i > 0 && i % 16 == 0) {
        print(hex, i == 16 ? meaning : "");
        hex.clear();
      }
      hex += fmt::format("{:02x} ", u8(bytes_[at_++]));
    }
    print(hex, size <= 16 ? meaning : "");
  }
  [[nodiscard]] bool done() const { return at_ == bytes_.size(); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void print(std::string_view hex, std::string_view meaning) {
    std::string line = fmt::format("{:04x}  {:<48} {}", shown_, hex, meaning);
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
    shown_ += hex.size() / 3;
  }

  ByteView bytes_;
  std::size_t at_ = 0;
  std::size_t shown_ = 0;
  std::string text_;
};

TestRecord example() {
  TestRecord record("disk {disk} is {} % full", {text_arg("/var", "disk"), f64_arg(97.5)});
  record.site.level = Level::warning;
  record.site.logger = "store";
  record.site.file = "src/store/disk.cc";
  record.site.line = 71;
  record.site.function = "check";
  std::byte memory[64];
  FieldBlockWriter fields(memory);
  EXPECT_TRUE(fields.add_text("trace", "ab12"));
  record.add_context(fields.bytes());
  auto header = load<RecordHeader>(record.bytes.data());
  header.origin |= 3;
  header.ticks = 0x123456789a;
  store(record.bytes.data(), header);
  return record;
}

TEST(RecordDoc, WorkedExample) {
  TestRecord record = example();
  const auto definition = encode_site(record.site);
  ASSERT_TRUE(decode_site(definition).ok());
  Dump site(definition);
  site.row(4, "id 16");
  site.row(4, "line 71");
  site.row(4, "kind log, level warning (13), no flags, no metric");
  site.row(2, "2 arguments, zero");
  site.row(10, "lengths of logger, file, function, format, unit");
  site.row(2, "types: string, f64");
  site.row(2, "lengths of the names: 4, none");
  site.row(5, "logger \"store\"");
  site.row(17, "file \"src/store/disk.cc\"");
  site.row(5, "function \"check\"");
  site.row(24, "format \"disk {disk} is {} % full\"");
  site.row(4, "name of the first argument, \"disk\"");
  ASSERT_TRUE(site.done());

  ASSERT_TRUE(record.parse());
  Dump bytes(record.bytes);
  bytes.row(2, fmt::format("size: {} * 8 = {} bytes", record.view.header().size_in_words,
                           record.bytes.size()));
  bytes.row(2, "slot 3, flag context");
  bytes.row(4, "site 16");
  bytes.row(8, "ticks");
  bytes.row(8, "argument 0: a string of 4 bytes");
  bytes.row(8, "argument 1: 97.5");
  bytes.row(4, "tail: \"/var\"");
  bytes.row(4, "zero");
  bytes.row(4, "context field: string, name of 5 bytes, value of 4");
  bytes.row(9, "\"trace\", \"ab12\"");
  bytes.row(3, "zero");
  bytes.row(4, "fields: 13 bytes");
  bytes.row(4, "context block: 24 bytes");
  EXPECT_TRUE(bytes.done()) << record.bytes.size();

  std::string text = "\nThe site's definition:\n\n```\n" + site.text();
  text += "```\n\nThe record, as the journal holds it:\n\n```\n" + bytes.text();
  text +=
      "```\n\nAs text, at ticks that mean 2023-11-14T22:13:20.123456789Z, and as JSON:\n\n```\n";
  text += text_line(record, kDefaultPattern) + json_line(record) + "```\n";
  compare_or_write("example", text);
}

TEST(RecordDoc, TheComparisonNoticesRot) {
  const std::string document = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb";
  EXPECT_EQ(generated_part(document, "x", nullptr, nullptr), "old\n");
  EXPECT_EQ(generated_part(document, "y", nullptr, nullptr), "marker is missing");
}

}  // namespace
}  // namespace sluice
