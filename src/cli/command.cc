#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "os/child.h"
#include "os/io.h"
#include "record/escape.h"
#include "record/json_text.h"

namespace sluice::cli {
namespace {

constexpr std::size_t kOutputBytes = 64 * 1024;

}  // namespace

void complain(std::string_view sentence) {
  std::string line;
  // One line for each mistake: the newlines between them stay.
  while (!sentence.empty()) {
    const std::string_view part = sentence.substr(0, sentence.find('\n'));
    sentence.remove_prefix(std::min(sentence.size(), part.size() + 1));
    if (!part.starts_with("sluice: ")) line += "sluice: ";
    line += escaped(TextForm::kText, part) + "\n";
  }
  (void)os::write_fully(2, line.data(), line.size());
}

int refuse(const std::vector<std::string>& mistakes) {
  for (const std::string& mistake : mistakes) complain(mistake);
  return kUsage;
}

std::string directory_mistake(std::string_view option, const std::string& directory) {
  if (directory.empty()) return {};
  const int result = os::real_io().list(directory.c_str(), [](const char*) {});
  if (result == 0) return {};
  return std::string(option) + ": cannot look into " + in_quotes(directory) + ": " +
         os::error_text(result) + "; check the path, or leave it out to look in the usual places";
}

bool Output::write(std::string_view text) {
  buffer_ += text;
  return buffer_.size() < kOutputBytes ? !closed_ : flush();
}

bool Output::flush() {
  if (!closed_ && !buffer_.empty()) {
    const int error = os::write_fully(1, buffer_.data(), buffer_.size());
    closed_ = error != 0;
    if (error != 0 && error != -EPIPE) {
      failed_ = true;
      complain("cannot write to standard output: " + os::error_text(-error));
    }
  }
  buffer_.clear();
  return !closed_;
}

std::string in_quotes(std::string_view text) { return "'" + printable(text) + "'"; }

std::string printable(std::string_view text) { return escaped(TextForm::kText, text); }

std::string size_text(u64 bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string hex_of(ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[u8(byte) >> 4];
    text += "0123456789abcdef"[u8(byte) & 15];
  }
  return text;
}

std::string json_line(const nlohmann::ordered_json& object) {
  const std::string json =
      object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  TextBuffer buffer;
  char* const at = put_json_line(buffer, buffer.begin_record(), json);
  (void)buffer.end_record(put_raw(buffer, at, "\n"));
  return std::string(buffer.text());
}

}  // namespace sluice::cli
