// Where what a client sends may be cut: at the ends of its lines, or of its records.
//
// Threading: plain functions over the caller's bytes.
#ifndef SLUICE_SRC_APPEND_SERVER_UNITS_H_
#define SLUICE_SRC_APPEND_SERVER_UNITS_H_

#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::append_server {

// How many of the first bytes are whole lines.
[[nodiscard]] std::size_t whole_lines(std::string_view bytes);

// Whole records at the start of what a client of the extension sends, each {u32 size; bytes}.
struct Records {
  std::size_t bytes = 0;  // with their sizes
  std::vector<std::string_view> contents;
  bool too_long = false;  // the next one says that it is longer than a record may be
};
[[nodiscard]] Records whole_records(std::string_view bytes);

}  // namespace sluice::append_server

#endif  // SLUICE_SRC_APPEND_SERVER_UNITS_H_
