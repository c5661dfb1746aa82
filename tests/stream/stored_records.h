// The records in the bytes of a finished file of a stream, whatever its framing.
#ifndef SLUICE_TESTS_STREAM_STORED_RECORDS_H_
#define SLUICE_TESTS_STREAM_STORED_RECORDS_H_

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "stream/block_scanner.h"

namespace sluice::test {

inline std::vector<std::string> records_of_blocks(std::string_view bytes) {
  const auto source = memory_source(as_bytes(bytes));
  stream::BlockScanner scanner(*source);
  stream::Block block;
  std::vector<std::string> records;
  while (scanner.next(block)) {
    if (block.header.kind == std::uint8_t(stream::BlockKind::kSeal)) continue;
    stream::for_each_record(block.bytes, block.good,
                            [&](ByteView record) { records.emplace_back(as_text(record)); });
  }
  return records;
}

// What is no whole line or block, or has no seal unless `open`, is a failure.
inline std::vector<std::string> stored_records(std::string_view bytes, bool open = false) {
  const auto source = memory_source(as_bytes(bytes));
  if (stream::looks_like_blocks(*source)) {
    const stream::BlockReport report = stream::verify_blocks(*source);
    EXPECT_TRUE(report.whole());
    EXPECT_TRUE(open || report.sealed);
    return records_of_blocks(bytes);
  }
  EXPECT_TRUE(bytes.ends_with('\n'));
  EXPECT_EQ(bytes.find('\0'), std::string_view::npos);
  std::vector<std::string> lines;
  for (std::size_t at = 0, end; (end = bytes.find('\n', at)) != std::string_view::npos;
       at = end + 1) {
    lines.emplace_back(bytes.substr(at, end - at));
  }
  return lines;
}

}  // namespace sluice::test

#endif  // SLUICE_TESTS_STREAM_STORED_RECORDS_H_
