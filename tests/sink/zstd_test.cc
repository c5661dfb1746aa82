// That what is declared of libzstd by hand is what its header says.
#include "sink/zstd.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <type_traits>

#include "sink/unpacked.h"

namespace sluice::testing {
namespace {

using sink::Zstd;
using sink::ZstdInput;
using sink::ZstdOutput;

static_assert(Zstd::kLevelParameter == ZSTD_c_compressionLevel);
static_assert(Zstd::kChecksumParameter == ZSTD_c_checksumFlag);
static_assert(Zstd::kContinue == ZSTD_e_continue);
static_assert(Zstd::kEnd == ZSTD_e_end);
static_assert(sizeof(ZstdInput) == sizeof(ZSTD_inBuffer) &&
              offsetof(ZstdInput, size) == offsetof(ZSTD_inBuffer, size) &&
              offsetof(ZstdInput, used) == offsetof(ZSTD_inBuffer, pos));
static_assert(sizeof(ZstdOutput) == sizeof(ZSTD_outBuffer) &&
              offsetof(ZstdOutput, size) == offsetof(ZSTD_outBuffer, size) &&
              offsetof(ZstdOutput, used) == offsetof(ZSTD_outBuffer, pos));
static_assert(
    std::is_same_v<decltype(ZSTD_compressStream2),
                   std::size_t(ZSTD_CCtx*, ZSTD_outBuffer*, ZSTD_inBuffer*, ZSTD_EndDirective)>);
static_assert(sizeof(ZSTD_EndDirective) == sizeof(int) && sizeof(ZSTD_cParameter) == sizeof(int));

TEST(ZstdStream, ComesBack) {
  ASSERT_EQ(Zstd::instance().problem, "");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'000}}) {
    std::string text;
    while (text.size() < size) text += std::to_string(text.size() * 2654435761u) + "\n";
    text.resize(size);
    sink::ZstdStream stream(Zstd::instance());
    std::string packed;
    for (std::size_t at = 0; at < size; at += 70'000) {
      ASSERT_TRUE(stream.add(std::string_view(text).substr(at, 70'000), false, packed));
    }
    ASSERT_TRUE(stream.add({}, true, packed));
    EXPECT_TRUE(sink::ZstdStream::is_frame(packed));
    EXPECT_TRUE(unpacked(packed) == text) << size;
  }
}

TEST(Zstd, ALibraryThatIsNotThereOrIsAnother) {
  EXPECT_NE(Zstd("libno-such-thing.so.1").problem.find("libno-such-thing.so.1"), std::string::npos);
  EXPECT_NE(Zstd("libm.so.6").problem.find("libm.so.6 has no ZSTD_"), std::string::npos);
}

}  // namespace
}  // namespace sluice::testing
