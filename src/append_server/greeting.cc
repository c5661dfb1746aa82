#include "append_server/greeting.h"

#include <charconv>

#include "append/protocol.h"

namespace sluice::append_server {
namespace {

constexpr i64 kSyncIntervalMsMax = 3'600'000;

}  // namespace

std::size_t Greeting::take(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !done_ && error_.empty()) {
    const std::string_view rest = bytes.substr(taken);
    const std::size_t end = rest.find('\0');
    const std::string_view part = rest.substr(0, end);
    if (field_.size() + part.size() > append::kPathSizeMax) {
      error_ = append::kPathTooLong;
      return bytes.size();
    }
    field_ += part;
    taken += part.size();
    if (end == std::string_view::npos) break;
    ++taken;
    end_field();
  }
  return taken;
}

void Greeting::end_field() {
  if (field_.starts_with('/')) {
    done_ = true;
    return;
  }
  std::string_view field = field_;
  if (terms_.extended || !field.starts_with(append::kExtension)) {
    error_ = append::kNotAbsolute;
    return;
  }
  terms_.extended = true;
  const std::string_view version = field.substr(0, field.find(' '));
  if (version != append::kExtensionVersion) {
    error_ = "ValueError: this server speaks " + std::string(append::kExtensionVersion);
    return;
  }
  field.remove_prefix(version.size());
  while (!field.empty() && error_.empty()) {
    field.remove_prefix(1);
    const std::string_view option = field.substr(0, field.find(' '));
    if (!take_option(option)) error_ = "ValueError: an option that this server does not know";
    field.remove_prefix(option.size());
  }
  field_.clear();
}

bool Greeting::take_option(std::string_view option) {
  if (option == append::kOptionRecords) return terms_.records = true;
  if (option == append::kOptionAck) return terms_.ack = true;
  if (!option.starts_with(append::kOptionSyncPrefix)) return false;
  option.remove_prefix(append::kOptionSyncPrefix.size());
  terms_.sync = true;
  if (option == append::kSyncEnd) return true;
  const char* const end = option.data() + option.size();
  const auto [at, error] = std::from_chars(option.data(), end, terms_.sync_interval_ms);
  return error == std::errc() && at == end && terms_.sync_interval_ms >= 1 &&
         terms_.sync_interval_ms <= kSyncIntervalMsMax;
}

}  // namespace sluice::append_server
