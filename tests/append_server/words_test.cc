// The pure parts of the append server: what a client may say first, where its bytes may be cut, and
// the texts of errors.
#include <gtest/gtest.h>

#include <cerrno>

#include "append/protocol.h"
#include "append_server/greeting.h"
#include "append_server/python_error.h"
#include "append_server/units.h"

namespace sluice::append_server {
namespace {

using namespace std::string_literals;

// In pieces of every size, with the same result.
Greeting greeted(const std::string& bytes, std::size_t piece, std::size_t& taken) {
  Greeting greeting;
  taken = 0;
  while (taken < bytes.size() && !greeting.done() && greeting.error().empty()) {
    taken += greeting.take(std::string_view(bytes).substr(taken, piece));
  }
  return greeting;
}

TEST(Greeting, APathEndsAtItsZeroInPiecesOfAnySize) {
  const std::string bytes = "/a/b\0data\0more"s;
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    std::size_t taken = 0;
    const Greeting greeting = greeted(bytes, piece, taken);
    ASSERT_TRUE(greeting.done());
    EXPECT_EQ(greeting.path(), "/a/b");
    EXPECT_EQ(taken, 5U);
    EXPECT_FALSE(greeting.terms().extended);
  }
}

TEST(Greeting, RefusesWhatIsNoPath) {
  std::size_t taken = 0;
  for (const std::string& bytes : {"rel/path\0"s, "\0"s, "x\0/a\0"s}) {
    EXPECT_EQ(greeted(bytes, 4096, taken).error(), append::kNotAbsolute);
  }
  const std::string longest = "/" + std::string(4095, 'x');
  EXPECT_TRUE(greeted(longest + '\0', 100, taken).done());
  EXPECT_EQ(greeted(longest + "x", 100, taken).error(), append::kPathTooLong);
  EXPECT_EQ(greeted(longest + "x", 5000, taken).error(), append::kPathTooLong);
}

TEST(Greeting, TakesTheTermsOfTheExtension) {
  for (std::size_t piece : {1U, 7U, 4096U}) {
    std::size_t taken = 0;
    const std::string field = "sluice-append/1 records ack sync=250\0/a\0"s;
    const Greeting greeting = greeted(field, piece, taken);
    ASSERT_TRUE(greeting.done()) << greeting.error();
    EXPECT_EQ(greeting.path(), "/a");
    EXPECT_TRUE(greeting.terms().records && greeting.terms().ack && greeting.terms().sync);
    EXPECT_EQ(greeting.terms().sync_interval_ms, 250);
  }
  std::size_t taken = 0;
  EXPECT_EQ(greeted("sluice-append/1 sync=end\0/a\0"s, 9, taken).terms().sync_interval_ms, 0);
  for (const std::string& field :
       {"sluice-append/2\0/a\0"s, "sluice-append/1 Records\0/a\0"s, "sluice-append/1 sync=0\0/a\0"s,
        "sluice-append/1 sync=-1\0/a\0"s, "sluice-append/1 sync=\0/a\0"s,
        "sluice-append/1 sync=3600001\0/a\0"s, "sluice-append/1  ack\0/a\0"s,
        "sluice-append/11\0/a\0"s}) {
    EXPECT_TRUE(greeted(field, 4096, taken).error().starts_with("ValueError: ")) << field;
  }
  EXPECT_EQ(greeted("sluice-append/1\0sluice-append/1\0/a\0"s, 4096, taken).error(),
            append::kNotAbsolute);
}

TEST(Units, LinesAndRecordsAreCutAtTheirEnds) {
  EXPECT_EQ(whole_lines("a\nbc\nd"), 5U);
  EXPECT_EQ(whole_lines("abc"), 0U);
  EXPECT_EQ(whole_lines(""), 0U);
  const std::string bytes = "\2\0\0\0ab\0\0\0\0\1\0\0\0c\5\0\0\0xy"s;
  const Records records = whole_records(bytes);
  EXPECT_EQ(records.contents, (std::vector<std::string_view>{"ab", "", "c"}));
  EXPECT_EQ(records.bytes, bytes.size() - 6);
  EXPECT_FALSE(records.too_long);
  for (std::size_t cut = 0; cut < 6; ++cut) {
    EXPECT_TRUE(whole_records(std::string_view(bytes).substr(0, cut)).contents.empty()) << cut;
  }
  EXPECT_TRUE(whole_records("\1\0\x10\0"s).too_long) << "a mebibyte and one";
  EXPECT_FALSE(whole_records("\0\0\x10\0"s).too_long);
}

// The expected texts are Python's own: python3 -c 'print(repr(os.fsdecode(b"...")))'.
TEST(PythonError, IsWhatPythonSays) {
  EXPECT_EQ(python_error(ENOENT, "/tmp/D/no/it's"),
            "FileNotFoundError: [Errno 2] No such file or directory: \"/tmp/D/no/it's\"");
  EXPECT_EQ(python_error(-EISDIR, "/tmp"), "IsADirectoryError: [Errno 21] Is a directory: '/tmp'");
  EXPECT_EQ(python_error(ENXIO, "/s"), "OSError: [Errno 6] No such device or address: '/s'");
  EXPECT_EQ(python_error(ENOSPC), "OSError: [Errno 28] No space left on device");
  EXPECT_EQ(python_error(EACCES), "PermissionError: [Errno 13] Permission denied");
  EXPECT_EQ(python_repr("a\nb\tc \xc3\xa9 \xe2\x80\x8b \x7f \\ \xff"),
            "'a\\nb\\tc \xc3\xa9 \\u200b \\x7f \\\\ \\udcff'");
  EXPECT_EQ(python_repr("'\""), "'\\'\"'");
  EXPECT_EQ(python_repr("\xc0\xaf\xed\xa0\x80"), "'\\udcc0\\udcaf\\udced\\udca0\\udc80'");
  EXPECT_EQ(python_repr("\xf3\xa0\x80\x81\xf0\x9f\x98\x80"), "'\\U000e0001\xf0\x9f\x98\x80'");
  EXPECT_EQ(python_repr("\xe2\x82"), "'\\udce2\\udc82'") << "cut short";
}

}  // namespace
}  // namespace sluice::append_server
